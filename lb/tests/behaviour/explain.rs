//! Explanations of decisions for a client and at the admin port.

use serde_json::{Value, json};

use crate::common::{Answer, Client, Lb, NO_PINGS, Upstream};

fn ask(lb: &Lb, headers: &str) -> Answer {
    lb.client().send(format!("GET /a HTTP/1.1\r\nHost: test.example\r\n{headers}\r\n")).answer()
}

fn told(lb: &Lb, id: &str) -> Value {
    let answer = Client::connect(lb.admin).get(&format!("/explain/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_client_that_asks_is_told_why_and_the_admin_port_knows_the_rest() {
    let upstreams = ["one", "two", "three"].map(Upstream::well);
    upstreams[0].stop();
    let lb = Lb::start(&[&upstreams[0], &upstreams[1], &upstreams[2]], &[NO_PINGS, "--explain"]);
    // The first ping takes it down, and then it is no candidate; until then it is one that fails.
    lb.wait_for_states(&["down", "up", "up"]);
    let answer = ask(&lb, "X-Lb-Explain: 1\r\nX-Request-Id: mine-1\r\n");
    assert_eq!(answer.text(), "two");
    assert_eq!(answer.head.get("x-lb-explain"), Some("mine-1"));
    assert_eq!(answer.head.get("x-lb-why"), Some("attempt 1: round-robin chose 2 of 2 3: it is its turn"));
    let told = told(&lb, "mine-1");
    assert_eq!(
        (&told["method"], &told["path"], &told["status"]),
        (&json!("GET"), &json!("/a"), &json!(200)),
        "{told}"
    );
    let decision = &told["decisions"][0];
    assert_eq!(decision["excluded"], json!([{"backend": 1, "why": "it is down: ping: connection refused"}]));
    assert_eq!(decision["candidates"][1]["backend"], 3);
    let result = &decision["tries"][0];
    assert_eq!((&result["outcome"], &result["status"]), (&json!("answered"), &json!(200)));
    assert!(upstreams[1].requests()[0].head.get("x-lb-explain").is_none(), "the wish goes no further");
}

#[test]
fn every_try_and_every_attempt_is_told() {
    let failing = Upstream::new(|_| crate::common::Reply::Last(Vec::new()));
    let well = Upstream::well("well");
    let lb = Lb::start(&[&failing, &well], &[NO_PINGS, "--explain"]);
    let answer = ask(&lb, "X-Lb-Explain: 1\r\n");
    assert_eq!(answer.text(), "well");
    let told = told(&lb, answer.head.get("x-lb-explain").expect("a name"));
    let [first, second] = &told["decisions"].as_array().unwrap()[..] else { panic!("{told}") };
    let tries: Vec<_> = first["tries"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(tries, ["connection closed before the answer began"]);
    assert_eq!(first["tries"][0]["blame"], "backend");
    assert_eq!(
        (&second["attempt"], &second["chosen"], &second["hedge"]),
        (&json!(2), &json!(2), &json!(false))
    );
    assert_eq!(second["excluded"], json!([{"backend": 1, "why": "this request has tried it already"}]));
    assert_eq!(second["tries"][0]["outcome"], "answered");
}

#[test]
fn when_no_backend_is_left_that_is_explained_too() {
    let unwell = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::new(|_| crate::common::Reply::Bytes(unwell.into()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--explain", "--ping-path=/"]);
    lb.wait_for_states(&["down"]);
    let answer = ask(&lb, "X-Lb-Explain: 1\r\nX-Request-Id: lost\r\n");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.head.get("x-lb-why"),
        Some("attempt 1: round-robin chose none of none: no backend could be picked")
    );
    assert_eq!(told(&lb, "lost")["status"], 503);
}

#[test]
fn nothing_is_told_unless_it_is_allowed_and_asked_for() {
    let upstream = Upstream::well("one");
    let closed = Lb::start(&[&upstream], &[NO_PINGS]);
    let answer = ask(&closed, "X-Lb-Explain: 1\r\nX-Request-Id: no\r\n");
    assert_eq!((answer.head.get("x-lb-explain"), answer.head.get("x-lb-why")), (None, None));
    assert_eq!(Client::connect(closed.admin).get("/explain/no").status, 404);
    let open = Lb::start(&[&upstream], &[NO_PINGS, "--explain"]);
    for headers in ["X-Request-Id: a\r\n", "X-Lb-Explain: 0\r\nX-Request-Id: a\r\n"] {
        assert_eq!(ask(&open, headers).head.get("x-lb-why"), None);
    }
    assert_eq!(Client::connect(open.admin).get("/explain/a").status, 404);
    // A name that cannot be in a path is replaced.
    let answer = ask(&open, "X-Lb-Explain: 1\r\nX-Request-Id: a/../b\r\n");
    let id = answer.head.get("x-lb-explain").unwrap();
    assert_eq!(id.len(), 16);
    told(&open, id);
}
