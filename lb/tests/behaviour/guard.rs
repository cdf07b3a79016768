//! Which changes and which readers the admin port allows.

use crate::common::{
    Client, Config, Lb, NO_PINGS, Upstream, eventually, lb_command, order_with, tables, when,
};

const JSON: &str = "Content-Type: application/json";

#[test]
fn no_page_in_a_browser_gets_through() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let own = format!("Host: {}", lb.admin);
    let origin = format!("Origin: http://{}", lb.admin);
    let evil = "Host: evil.example:4030";
    // Headers that a page can send without permission, headers after DNS rebinding, and headers that a page
    // cannot send.
    let table: [(&[&str], u16, u16); 8] = [
        (&[&own, JSON], 200, 200),
        (&[&own, JSON, &origin], 200, 200),
        (&[&own, "Content-Type: text/plain"], 200, 415),
        (&[&own], 200, 415),
        (&[evil, JSON], 403, 403),
        (&[evil, JSON, "Origin: http://evil.example:4030"], 403, 403),
        (&[&own, JSON, "Origin: http://evil.example"], 403, 403),
        (&[&own, JSON, "Sec-Fetch-Site: cross-site"], 403, 403),
    ];
    for (headers, reading, changing) in table {
        for path in ["/state", "/events", "/metrics", "/healthz", "/backends"] {
            let head: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            let mut client = Client::connect(lb.admin);
            let head = client.send(format!("GET {path} HTTP/1.1\r\n{head}\r\n")).head_of_answer().unwrap();
            assert_eq!(head.status(), reading, "GET {path} {headers:?}");
        }
        let answer = order_with(&lb, "POST /statistics/reset", headers, "{}");
        assert_eq!(answer.status, changing, "{headers:?}: {}", answer.text());
    }
    let ask = ["Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: content-type"];
    for (origin, status) in [("Origin: http://evil.example", 403), (&*origin, 405)] {
        let answer = order_with(&lb, "OPTIONS /backends/1", &[&[&*own, origin], &ask[..]].concat(), "");
        assert_eq!(answer.status, status);
        assert!(!answer.head.text.to_lowercase().contains("access-control"), "{}", answer.head.text);
    }
    lb.wait_for_log(
        "refused: POST /statistics/reset (by admin port, 127.0.0.1): requests from pages of other sites",
    );
}

#[test]
fn elsewhere_changes_take_the_token() {
    const TOKEN: &str = "0123456789abcdef-secret";
    let upstream = Upstream::well("ok");
    let reset = |lb: &Lb, token: &[&str]| {
        order_with(lb, "POST /statistics/reset", &[&["Host: 127.0.0.1", JSON], token].concat(), "{}")
    };
    let right = format!("Authorization: Bearer {TOKEN}");
    let open = Lb::start(&[&upstream], &[NO_PINGS, "--admin=0.0.0.0:0"]);
    let refused = reset(&open, &[&right]);
    assert_eq!(refused.status, 403);
    for words in ["admin_token", "LB_ADMIN_TOKEN"] {
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    assert_eq!(Client::connect(open.admin).get("/state").status, 200, "reading is free");

    for admin in ["--admin=0.0.0.0:0", "--admin=127.0.0.1:0"] {
        let mut command = lb_command();
        command.env("LB_ADMIN_TOKEN", TOKEN);
        let lb = Lb::spawn(command, &[upstream.url()], &[NO_PINGS, admin]);
        let refused = reset(&lb, &[]);
        assert_eq!((refused.status, refused.head.get("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(reset(&lb, &["Authorization: Bearer 0123456789abcdef-public"]).status, 401);
        assert_eq!(reset(&lb, &[&right]).status, 200, "{admin}");
        let far = order_with(&lb, "GET /state", &["Host: lb.example:4030", &right], "");
        assert_eq!(far.status, 200, "a client with the token may use any name for the balancer");
        assert!(!lb.log().contains(TOKEN) && !far.text().contains(TOKEN));
    }
}

#[test]
fn a_token_in_the_file_can_be_changed_and_is_shown_nowhere() {
    let upstream = Upstream::well("ok");
    let file = |token: &str| format!("admin_token = \"{token}\"\n{}", tables([(&upstream, "")]));
    let config = Config::new(&file("the-first-of-all-secrets"));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let reset = |token: &str| {
        let token = format!("Authorization: Bearer {token}");
        order_with(&lb, "POST /statistics/reset", &["Host: localhost", JSON, &token], "{}").status
    };
    assert_eq!((reset("the-first-of-all-secrets"), reset("the-second-of-secrets")), (200, 401));
    config.write(&file("the-second-of-secrets"));
    lb.wait_for_log("configuration read again: changed admin_token");
    assert_eq!((reset("the-first-of-all-secrets"), reset("the-second-of-secrets")), (401, 200));
    config.write(&file("short-secret"));
    lb.wait_for_log("admin_token is ***");
    config.write("[log]\nadmin_token = \"the-third-of-all-secrets\"\n");
    lb.wait_for_log("move admin_token up");
    config.write("admin_token = the-fourth-of-all-secrets\n");
    eventually("three are refused", || {
        when(lb.log().matches("configuration refused").count() == 3, lb.log())
    });
    assert!(!lb.log().contains("secret"), "{}", lb.log());
}
