//! The access log: the values of each line, no forged lines, and the ids of requests.

use serde_json::{Value, json};

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, chunked, eventually, ok, when};

const JSON: [&str; 3] = [NO_PINGS, "--access-log", "--log-format=json"];

fn with(flags: &[&'static str]) -> Vec<&'static str> {
    [&JSON[..], flags].concat()
}

/// The lines of a JSON log.
fn lines(lb: &Lb) -> Vec<Value> {
    lb.log().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Waits for the line of the request for this path.
fn line(lb: &Lb, path: &str) -> Value {
    eventually(path, || {
        let lines = lines(lb);
        lines.iter().find(|line| line["path"] == path).cloned().ok_or(lines)
    })
}

#[test]
fn a_line_says_who_asked_for_what_and_how_much_of_it_there_was() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "HEAD /head" => Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".into()),
        "POST /chunks" => Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunked(&["abc", "de"]))
                .into(),
        ),
        _ => ok("seven b"),
    });
    let lb = Lb::start(&[&upstream], &JSON);
    let mut client = lb.client();
    client.request("POST /length?q=1", b"twelve bytes");
    client.send(format!(
        "POST /chunks HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: curl/8 (x)\r\nReferer: http://b/?c\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}",
        chunked(&["1234", "567890"])
    ));
    client.answer();
    client.request("HEAD /head", b"");
    let table = [
        ("/length?q=1", 12, 7, json!("test.localhost"), json!("-"), json!("-")),
        ("/chunks", 10, 5, json!("a.example:8080"), json!("curl/8 (x)"), json!("http://b/?c")),
        ("/head", 0, 0, json!("test.localhost"), json!("-"), json!("-")),
    ];
    for (path, received, sent, host, agent, referer) in table {
        let line = line(&lb, path);
        assert_eq!(
            (&line["received_bytes"], &line["sent_bytes"]),
            (&json!(received), &json!(sent)),
            "{line}"
        );
        assert_eq!(
            (&line["host"], &line["user_agent"], &line["referer"]),
            (&host, &agent, &referer),
            "{line}"
        );
        assert_eq!((&line["client"], &line["protocol"]), (&json!("127.0.0.1"), &json!("HTTP/1.1")), "{line}");
    }
}

#[test]
fn what_a_tunnel_passes_is_counted_both_ways() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
            wire.write(format!("{head}hello")).unwrap();
            wire.exactly(8).unwrap();
            wire.write("bye").unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &JSON);
    let mut client = lb.client();
    let ask = "GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nglue";
    assert_eq!(client.send(ask).head_of_answer().unwrap().status(), 101);
    assert_eq!(client.send("more").wire.exactly(8).unwrap(), b"hellobye");
    drop(client);
    let line = line(&lb, "/tunnel");
    assert_eq!(
        (&line["status"], &line["received_bytes"], &line["sent_bytes"]),
        (&json!(101), &json!(8), &json!(8))
    );
}

#[test]
fn the_client_is_the_one_before_the_proxies_whose_word_is_taken() {
    let upstream = Upstream::well("ok");
    let table = [
        (&[][..], "198.51.100.9", "127.0.0.1"),
        (&["--trusted-proxies=127.0.0.1,10.0.0.0/8"], "192.0.2.7, 198.51.100.9, 10.0.0.3", "198.51.100.9"),
        (&["--trusted-proxies=127.0.0.1"], "", "127.0.0.1"),
    ];
    for (flags, forwarded, client) in table {
        let lb = Lb::start(&[&upstream], &with(flags));
        let header =
            if forwarded.is_empty() { String::new() } else { format!("X-Forwarded-For: {forwarded}\r\n") };
        lb.client().send(format!("GET /a HTTP/1.1\r\nHost: h\r\n{header}\r\n")).answer();
        assert_eq!(line(&lb, "/a")["client"], client, "{flags:?} {forwarded}");
        // A refused request has a client too.
        lb.client().send(format!("GET /refused HTTP/1.1\r\nBad Header: x\r\n{header}\r\n")).answer();
        assert_eq!(line(&lb, "/refused")["client"], client, "{flags:?} {forwarded}");
    }
}

#[test]
fn what_is_refused_has_a_line_that_says_who_sent_it() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &with(&["--head-timeout=100ms", "--max-body=3"]));
    let known = "Host: a.example\r\nUser-Agent: tester\r\n";
    let table = [
        (400, "GET", "/syntax", format!("GET /syntax HTTP/1.1\r\n{known}no header\r\n\r\n")),
        (400, "GET", "/feed", format!("GET /feed HTTP/1.1\r\n{known}\n\r\n")),
        (
            400,
            "POST",
            "/twice",
            format!("POST /twice HTTP/1.1\r\n{known}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
        ),
        (408, "GET", "/slow", format!("GET /slow HTTP/1.1\r\n{known}X-Half: a")),
        (413, "POST", "/large", format!("POST /large HTTP/1.1\r\n{known}Content-Length: 4\r\n\r\nbody")),
        (431, "GET", "/head", format!("GET /head HTTP/1.1\r\n{known}X: {}\r\n\r\n", "y".repeat(70_000))),
        (505, "GET", "/version", format!("GET /version HTTP/3.7\r\n{known}\r\n")),
    ];
    for (status, method, path, bytes) in table {
        let answer = lb.client().send(bytes).answer();
        assert_eq!(answer.status, status, "{path}");
        let id = answer.head.get("x-request-id").expect("every answer names its request");
        let path = if status == 505 { "/version HTTP/3.7" } else { path };
        let line = line(&lb, path);
        assert_eq!((&line["status"], &line["method"]), (&json!(status), &json!(method)), "{line}");
        assert_eq!((&line["host"], &line["user_agent"]), (&json!("a.example"), &json!("tester")), "{line}");
        assert_eq!((&line["client"], &line["blame"]), (&json!("127.0.0.1"), &json!("client")), "{line}");
        assert_eq!(
            (&line["request_id"], &line["sent_bytes"]),
            (&json!(id), &json!(answer.body.len())),
            "{line}"
        );
    }
    let tls = lb.client().send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").answer();
    assert_eq!(tls.status, 400);
    eventually("a line of it", || {
        let lines = lines(&lb);
        when(lines.iter().any(|line| line["path"].as_str().unwrap_or_default().starts_with('\u{16}')), lines)
    });
}

#[test]
fn no_client_can_forge_a_line_or_steer_a_terminal() {
    let upstream = Upstream::well("ok");
    for format in ["text", "json", "combined"] {
        let flag = format!("--log-format={format}");
        let lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log", &flag]);
        let mut count = 0;
        let evil = [
            "x\" 200 1 \"-\" \"forged",
            "x\" status=200 backend=\"7",
            "\u{9b}31mred\u{202e}",
            "\\\" \\n \\",
            "tab\tand {\"a\":1}",
        ];
        for value in evil {
            for header in ["User-Agent", "Referer", "X-Request-ID", "X-Forwarded-For"] {
                lb.client().send(format!("GET /e HTTP/1.1\r\nHost: h\r\n{header}: {value}\r\n\r\n")).answer();
                count += 1;
            }
            lb.client().send(format!("GET /e HTTP/1.1\r\nHost: {value}\r\n\r\n")).answer();
            count += 1;
        }
        for bytes in
            ["GET /e\"x\u{1b}[2J HTTP/1.1\r\n\r\n", "\u{1b}]0;title\u{7}\r\n\r\n", "a\0b\rc\x0bd\r\n\r\n"]
        {
            lb.client().send(bytes).answer();
            count += 1;
        }
        let log = eventually("all lines", || {
            let log = lb.log();
            when(log.lines().count() >= count, log)
        });
        assert_eq!(log.lines().count(), count, "{log}");
        assert!(log.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{log}");
        for line in log.lines() {
            match format {
                "json" => assert!(serde_json::from_str::<Value>(line).unwrap()["client"] == "127.0.0.1"),
                "text" => assert_eq!(
                    (line.matches('"').count(), line.matches(" method=").count()),
                    (14, 1),
                    "{line}"
                ),
                _ => assert!(line.starts_with("127.0.0.1 - - [") && line.matches('"').count() == 6, "{line}"),
            }
        }
    }
}

#[test]
fn the_combined_format_is_the_one_of_other_servers() {
    let upstream = Upstream::well("seven b");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log", "--log-format=combined"]);
    lb.client()
        .send("GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nReferer: http://c/\r\n\r\n")
        .answer();
    let line = lb.wait_for_log("/a?b");
    let (before, after) = line.split_once('[').unwrap();
    let (time, after) = after.split_once(']').unwrap();
    assert_eq!((before, after), ("127.0.0.1 - - ", " \"GET /a?b HTTP/1.1\" 200 7 \"http://c/\" \"curl/8\""));
    assert_eq!((time.len(), &time[2..3], &time[20..]), (26, "/", " +0000"), "{time}");
}

#[test]
fn a_query_can_be_left_out_wherever_targets_are_shown() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /bad?secret" => {
            Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx".into())
        }
        _ => ok("ok"),
    });
    let lb = Lb::start(&[&upstream], &with(&["--log-query=false", "--explain"]));
    let events = lb.events();
    lb.client()
        .send("GET /a?secret HTTP/1.1\r\nHost: h\r\nReferer: http://b/?secret\r\nX-Lb-Explain: 1\r\nX-Request-ID: x\r\n\r\n")
        .answer();
    lb.get("/bad?secret");
    lb.client().send("GET /refused?secret HTTP/1.1\r\n\r\n").answer();
    assert_eq!(line(&lb, "/a")["referer"], "http://b/");
    line(&lb, "/bad");
    line(&lb, "/refused");
    events.request("/a");
    assert_eq!(upstream.count_of("GET /a?secret"), 1, "the backend sees all of it");
    let id = line(&lb, "/a")["request_id"].as_str().unwrap().to_owned();
    let told = Client::connect(lb.admin).get(&format!("/explain/{id}")).text().to_owned();
    assert!(told.contains("\"/a\""), "{told}");
    for shown in [lb.log(), told, lb.state().to_string(), format!("{:?}", events.all("req"))] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_request_has_an_id_here_at_its_backend_and_at_its_client() {
    let upstream = Upstream::well("ok");
    let ask = |lb: &Lb, headers: &str| {
        let answer = lb.client().send(format!("GET /i HTTP/1.1\r\nHost: h\r\n{headers}\r\n")).answer();
        let seen = upstream.requests().pop().unwrap().head.get("x-request-id").map(str::to_owned);
        (answer.head.get("x-request-id").map(str::to_owned), seen)
    };
    let is_made = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let trusting = Lb::start(&[&upstream], &with(&["--trusted-proxies=127.0.0.1"]));
    let wary = Lb::start(&[&upstream], &JSON);
    let given = "X-Request-ID: given-1\r\n";
    assert_eq!(ask(&trusting, given), (Some("given-1".into()), Some("given-1".into())));
    assert_eq!(line(&trusting, "/i")["request_id"], "given-1");
    for (lb, headers) in [
        (&wary, given),
        (&wary, ""),
        (&wary, "X-Request-ID: given-1\r\nConnection: X-Request-ID\r\n"),
        (&trusting, "X-Request-ID: not a token\r\n"),
        (&trusting, "X-Request-ID: given-1\r\nX-Request-ID: given-2\r\n"),
    ] {
        let (told, seen) = ask(lb, headers);
        assert!(told == seen && is_made(&told.clone().unwrap()), "{headers}: {told:?} {seen:?}");
        let known = told.unwrap();
        eventually("its line", || when(lines(lb).iter().any(|line| line["request_id"] == *known), lines(lb)));
    }
    // Without an access log, requests keep their ids. Each of the two settings also works alone.
    let plain = Lb::start(&[&upstream], &[NO_PINGS]);
    assert_eq!(ask(&plain, given), (None, Some("given-1".into())));
    let named = Lb::start(&[&upstream], &[NO_PINGS, "--request-id"]);
    let (told, seen) = ask(&named, given);
    assert!(told == seen && is_made(&told.unwrap()));
    let logged = Lb::start(&[&upstream], &with(&["--request-id=false"]));
    assert_eq!(ask(&logged, given), (None, Some("given-1".into())));
    assert_eq!(line(&logged, "/i")["request_id"], "given-1");
}

#[test]
fn the_time_of_an_upload_is_not_called_queueing() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &JSON);
    let mut client = lb.client();
    client.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    eventually("it is on its way", || when(lb.backend(1)["in_flight"] == 1, ()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.send("cd").answer();
    let whole = line(&lb, "/up");
    client.send("POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    eventually("it is on its way", || when(lb.backend(1)["in_flight"] == 1, ()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(client);
    let half = line(&lb, "/half");
    assert_eq!(half["received_bytes"], 2, "{half}");
    for line in [whole, half] {
        let us = |name: &str| line[name].as_u64().unwrap();
        assert!(us("queue_us") < 250_000 && us("upload_us") >= 290_000, "{line}");
        let parts = ["queue_us", "upload_us", "head_us", "body_us"].map(us).iter().sum::<u64>();
        assert!(parts.abs_diff(us("total_us")) <= 4, "{line}");
    }
}

#[test]
fn a_malformed_answer_is_logged_with_its_path_and_the_header_that_is_wrong() {
    let table = [
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "Content-Length"),
        ("Content-Length: two\r\n\r\nok", "Content-Length"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        ("Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding"),
        (
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding and Content-Length",
        ),
        ("no header\r\n\r\n", "no header"),
    ];
    for (n, (rest, words)) in table.into_iter().enumerate() {
        let upstream = Upstream::new(move |_| Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{rest}").into()));
        let lb = Lb::start(&[&upstream], &[NO_PINGS]);
        assert_eq!(lb.get(&format!("/path{n}?q")).status, 502);
        let line = lb.wait_for_log("malformed answer to");
        assert!(line.contains(&format!("backend 1: malformed answer to GET /path{n}?q: ")), "{line}");
        assert!(line.contains("WARN") && line.contains(words), "{words}: {line}");
    }
    let upstream = Upstream::new(|_| {
        Reply::Bytes("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".into())
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    assert_eq!(lb.get("/switch").status, 502);
    let line = lb.wait_for_log("malformed answer to GET /switch");
    assert!(line.contains("it answers 101, but its Upgrade header does not match the request"), "{line}");
}

#[test]
fn a_broken_chunk_of_an_answer_is_logged_once_with_what_is_wrong() {
    let line_end = "a chunk does not end";
    let table = [
        ("0x2\r\nok\r\n0\r\n\r\n", "size of a chunk"),
        ("2\r\nok\r\n\r\n", "size of a chunk"),
        ("2;\r\nok\r\n0\r\n\r\n", "extension"),
        ("2\nok\r\n0\r\n\r\n", "line feed"),
        ("2\r\nokay\r\n0\r\n\r\n", line_end),
        ("2\r\nok\n0\r\n\r\n", line_end),
        ("2\r\nok\r\n0\r\nno field\r\n\r\n", "trailers"),
        ("2\r\nok\r\n0\r\nX: y\n\r\n", "trailers"),
    ];
    let flags = [NO_PINGS, "--access-log", "--log-format=json", "--workers=1"];
    for (n, (chunks, words)) in table.into_iter().enumerate() {
        let surplus = "zz\r\n".repeat(1000);
        let upstream = Upstream::new(move |_| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Reply::Bytes(format!("{head}{chunks}{surplus}").into())
        });
        let lb = Lb::start(&[&upstream], &flags);
        assert!(lb.client().ask(&format!("GET /path{n}?q"), b"").try_answer().is_err(), "{chunks:?}");
        let access = line(&lb, &format!("/path{n}?q"));
        assert_eq!((&access["failure"], &access["blame"]), (&json!("malformed answer"), &json!("backend")));
        let said: Vec<_> = lines(&lb).into_iter().filter(|line| line["level"] == "WARN").collect();
        let message = said[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("backend 1: malformed answer to GET /path{n}?q: ")), "{message}");
        assert!(message.contains(words) && said.len() == 1, "{words}: {said:?}");
    }
    // An incomplete answer is not malformed.
    let upstream = Upstream::new(|_| {
        Reply::Last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n".into())
    });
    let lb = Lb::start(&[&upstream], &flags);
    assert!(lb.client().ask("GET /broken", b"").try_answer().is_err());
    assert_eq!(line(&lb, "/broken")["failure"], "answer ended early");
    assert!(!lb.log().contains("malformed"), "{}", lb.log());
}
