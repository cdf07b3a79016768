//! Wrong changes at the admin port: the answer says what to write instead, and nothing changes.

use serde_json::json;

use crate::common::{Client, order, order_with};
use crate::control::{JSON, error, two};

#[test]
fn wrong_orders_say_what_to_do_instead() {
    let (one, _two, lb) = two();
    let (url, itself) = (one.url(), format!("http://{}", lb.address));
    let table = [
        (
            "PATCH /backends/9",
            json!({"weight": 1}),
            404,
            format!("there is no backend 9; there is 1 ({url}), 2 ("),
        ),
        ("PATCH /backends/x", json!({"weight": 1}), 404, "there is no backend x".to_owned()),
        ("PATCH /backends/+1", json!({"weight": 1}), 404, "there is no backend +1".to_owned()),
        (
            "PATCH /backends?url=http://unknown:1",
            json!({"weight": 1}),
            404,
            "there is no backend http://unknown:1".to_owned(),
        ),
        ("PATCH /backends", json!({"weight": 1}), 400, "write /backends/3, or /backends?url=".to_owned()),
        ("DELETE /backends", json!({}), 400, "the request names no backend".to_owned()),
        (
            "PATCH /backends/1",
            json!({}),
            400,
            "the body changes nothing; write {\"mode\": \"drain\"}".to_owned(),
        ),
        (
            "PATCH /backends/1",
            json!({"weight": 1001}),
            400,
            "weight is 1001, not in 0..=1000; write 0 to 1000".to_owned(),
        ),
        ("PATCH /backends/1", json!({"wieght": 1}), 400, "wieght is not known here; write weight".to_owned()),
        (
            "PATCH /backends/1",
            json!({"mode": "off"}),
            400,
            "write one of \"ready\", \"drain\", \"maintenance\"".to_owned(),
        ),
        (
            "POST /backends",
            json!({"url": url}),
            409,
            "is backend 1 already; change it with PATCH /backends/1".to_owned(),
        ),
        ("POST /backends", json!({"url": "localhost:1"}), 400, "write http://localhost:1".to_owned()),
        ("POST /backends", json!({"url": "http://224.0.0.1:1"}), 400, "a multicast address".to_owned()),
        (
            "POST /backends",
            json!({"url": itself}),
            400,
            format!("{itself} is this balancer itself, which listens at {}; write", lb.address),
        ),
        ("POST /backends", json!({}), 400, "add \"url\"".to_owned()),
        ("DELETE /backends/1", json!({"wait": 1}), 400, "write {}, or nothing".to_owned()),
        ("PUT /policy", json!({"policy": "leastconn"}), 400, "write one of round-robin, ".to_owned()),
        ("PUT /log", json!({"level": "loud"}), 400, "write one of error, warn".to_owned()),
        ("PUT /log", json!([]), 400, "this is not a JSON object".to_owned()),
        ("POST /reload", json!(5), 400, "this is not a JSON object".to_owned()),
        ("POST /nothing", json!({}), 404, "there is no /nothing; there is GET /state".to_owned()),
    ];
    for (line, body, status, words) in table {
        let answer = order(&lb, line, &body);
        assert_eq!(answer.0, status, "{line} {body}: {}", answer.1);
        assert!(error(&answer).contains(&words), "{line} {body}: {}", error(&answer));
    }
    let long = "x".repeat(3000);
    for (line, body) in [
        ("PUT /policy", json!({"policy": long})),
        ("PUT /log", json!({"level": long})),
        ("PUT /policy", json!({&long: 1})),
        ("PUT /policy", json!(long)),
        ("PATCH /backends/1", json!({"mode": long})),
    ] {
        let answer = order(&lb, line, &body);
        let words = error(&answer);
        assert!(answer.0 == 400 && words.len() < 1000, "{line}: {words}");
    }
    let host = format!("Host: {}", lb.admin);
    for (body, status) in [("{\"weight\": 5", 400), ("weight=5", 400), (&*"x".repeat(65_537), 413)] {
        let answer = order_with(&lb, "PATCH /backends/1", &[&host, JSON], body);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains("{\"error\":"), "{}", answer.text());
    }
    let refused = order_with(&lb, "PUT /backends/1", &[&host, JSON], "{}");
    assert_eq!((refused.status, refused.head.get("allow")), (405, Some("GET, PATCH, DELETE")));
    assert_eq!(lb.backend(1)["weight"], 1, "none of that changed anything");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let (_one, _two, lb) = two();
    let mut client = Client::connect(lb.admin);
    client.send(format!("PATCH /backends/1 HTTP/1.1\r\n{JSON}\r\nContent-Length: 13\r\n\r\n{{\"weight\""));
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.text().contains("did not arrive within 5 s")),
        (408, true),
        "{}",
        answer.text()
    );
    assert_eq!(lb.backend(1)["weight"], 1);
    let mut client = Client::connect(lb.admin);
    client.send(format!("PATCH /backends/1 HTTP/1.1\r\n{JSON}\r\nContent-Length: 99999999999\r\n\r\n{{"));
    assert_eq!(client.answer().status, 413, "the length is too large, so no wait is needed");
}
