//! Tests: wrong input gives one clear message, and breaks nothing.

use std::net::TcpListener;

use crate::support::{Backend, Client, command};

#[test]
fn bad_flags_get_one_message_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    for (flags, message) in [
        (vec!["--port", "70000"], "70000"),
        (vec!["--prot", "1"], "--port"),
        (vec!["--port", "65000"], "--port 65000 + 1000 is no port for control; give --control-port"),
        (vec!["--port", "5", "--control-port", "5"], "--port and --control-port are both 5"),
        (vec!["--id", "70000"], "--id 70000 leaves no default port; give --port"),
        (vec!["--bind", "localhost"], "--bind"),
        (vec!["--port", "0", "--bind", "192.0.2.1"], "give another one with --bind"),
        (vec!["--port", &taken], "is taken: end the program that holds it, or give another port with --port"),
        (vec!["--port", "0", "--control-port", &taken], "give another port with --control-port"),
        (vec!["--check-health", "127.0.0.1"], "write a whole URL"),
        (vec!["--workers", "0"], "--workers: 0 is not valid; write a whole number, 1 to 4294967295"),
        (vec!["--on-disconnect", "stop"], "--on-disconnect: \"stop\" is no reaction; write \"continue\""),
        (vec!["--patience", "1 parsec"], "--patience: \"1 parsec\" is no duration; write \"250ms\""),
        (vec!["--port", "0", "--worker-of", "1"], "start an agent"),
    ] {
        let output = command(&flags).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(text.contains(message), "{flags:?}: {text}");
        assert_eq!(text.matches("error").count(), 1, "{flags:?}: {text}");
    }
}

#[test]
fn help_names_every_path_and_every_kind() {
    let help = String::from_utf8(command(&["--help"]).output().unwrap().stdout).unwrap();
    for word in
        ["/echo", "/upgrade", "/ledger", "refuse", "bimodal", "truncate", "--control-port", "Exit status"]
    {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("worker-of"), "not for people");
}

#[test]
fn the_control_port_says_what_is_wrong() {
    let backend = Backend::start();
    for (command, body, status, message) in [
        ("GET /nothing", "", 404, "no /nothing here"),
        ("GET /kill", "", 405, "/kill takes POST, not GET"),
        ("DELETE /faults/1", "", 404, "there is no fault 1"),
        ("DELETE /faults/x", "", 404, "there is no fault x"),
        ("POST /faults", "", 400, "send a fault such as"),
        ("POST /faults", "[]", 400, "send a fault such as"),
        ("PUT /faults", "{}", 400, "send an array of faults"),
        (
            "PUT /faults",
            r#"[{"kind": "reset"}, {"kind": "rest"}]"#,
            400,
            "faults[1].kind: \"rest\" is unknown",
        ),
        ("PUT /capacity", r#"{"worker": 1}"#, 400, "write \"workers\"; there are workers, queue"),
        ("PUT /capacity", "[]", 400, "send a capacity such as"),
        ("POST /seed", r#"{"sed": 1}"#, 400, "send an object such as {\"seed\": 7}"),
        ("POST /seed", r#"{"seed": -1}"#, 400, "send an object such as {\"seed\": 7}"),
    ] {
        let (got, value) = backend.try_order(command, body);
        let error = value["error"].as_str().unwrap();
        assert_eq!(got, status, "{command} {body}: {error}");
        assert!(error.contains(message), "{command} {body}: {error}");
    }
    assert_eq!(backend.order("GET /faults"), serde_json::json!([]));
}

#[test]
fn a_page_of_another_site_commands_nothing() {
    let backend = Backend::start();
    let kill = |origin: &str| {
        let control = backend.control;
        let request = format!(
            "POST /kill HTTP/1.1\r\nHost: {control}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
        );
        crate::support::Answer::parse(&Client::connect(control).send(&request).rest().unwrap()).status
    };
    assert_eq!(kill("http://example.com"), 403);
    assert_eq!(kill("null"), 403);
    assert_eq!(backend.get("/").status, 200);
    assert_eq!(kill(&format!("http://{}", backend.control)), 200);
}

#[test]
fn what_is_not_http_does_not_hurt() {
    let backend = Backend::start();
    for bytes in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nA B\r\n\r\n"]
    {
        for address in [backend.data, backend.control] {
            let _ = Client::connect(address).send(bytes).until_broken();
        }
    }
    assert_eq!(backend.get("/").status, 200);
    assert_eq!(backend.order("GET /state")["worker"]["starts"], 1);
}
