//! Clients that leave, or break their uploads, after the answer has begun: the request ends at once, and no
//! backend is to blame.

use std::time::Duration;

use serde_json::json;

use crate::common::{Client, Events, Lb, NO_PINGS, Reply, Upstream, eventually, when};

/// Begins its answer as soon as it has the head of a request, and ends the answer when it has the body.
fn early() -> Upstream {
    let begins = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    Upstream::hasty(
        move |head| if head.has_body() { begins.into() } else { Vec::new() },
        |_| Reply::Bytes("0\r\n\r\n".into()),
    )
}

/// Begins its answer and reads nothing of the body.
fn deaf() -> Upstream {
    Upstream::raw(|mut wire| {
        while let Ok(Some(_)) = wire.head() {
            if wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n").is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(20));
        }
    })
}

/// A client in the middle of an upload whose answer has begun.
fn in_the_middle(lb: &Lb, rest: &str) -> Client {
    let mut client = lb.client();
    client.send(format!("PUT /part HTTP/1.1\r\nHost: a\r\n{rest}"));
    assert_eq!(client.head_of_answer().unwrap().status(), 200);
    assert_eq!(client.wire.exactly(10).unwrap(), b"5\r\nbegun\r\n");
    client
}

/// Nothing is in flight, the clients are to blame for all failures, and no backend is to blame.
fn assert_over(lb: &Lb, events: &Events, requests: usize, what: &str) {
    eventually(&format!("{what}: nothing is in flight"), || {
        let in_flight = lb.state()["totals"]["in_flight"].clone();
        when(in_flight == 0, in_flight)
    });
    let records = eventually(&format!("{what}: all records"), || {
        let records = events.all("req");
        when(records.len() == requests, records)
    });
    for record in records {
        assert_eq!(record["blame"], "client", "{what}: {record}");
    }
    for backend in lb.state()["backends"].as_array().unwrap() {
        assert_eq!((&backend["failures"], &backend["state"]), (&json!(0), &json!("up")), "{what}: {backend}");
    }
}

/// A way to leave, and the function that does it.
type Leaving = (&'static str, fn(Client));

const LENGTH: &str = "Content-Length: 100000\r\n\r\npart";
const CHUNKS: &str = "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";

#[test]
fn clients_that_leave_in_an_upload_whose_answer_has_begun_end_it_at_once() {
    let leaves: [Leaving; 3] = [
        ("closes", drop),
        ("resets", Client::leave),
        ("sends no more", |mut client| {
            client.wire.finish();
            assert!(!client.wire.rest().is_ok_and(|rest| rest.ends_with(b"0\r\n\r\n")), "it looks whole");
        }),
    ];
    for rest in [LENGTH, CHUNKS] {
        for (what, leave) in leaves {
            let upstreams = [early(), early(), early()];
            let lb = Lb::start(&upstreams.each_ref(), &[NO_PINGS]);
            let events = lb.events();
            let clients: Vec<_> = (0..24).map(|_| in_the_middle(&lb, rest)).collect();
            assert_eq!(lb.state()["totals"]["in_flight"], 24);
            clients.into_iter().for_each(leave);
            assert_over(&lb, &events, 24, what);
            assert_eq!(events.changes(), Vec::<String>::new());
            for upstream in &upstreams {
                upstream.wait_until_unconnected();
                assert_eq!(upstream.count(), 0, "no backend took a part for a complete request");
            }
        }
    }
}

#[test]
fn a_client_that_leaves_is_noticed_even_if_its_upload_is_not_read() {
    let upstream = deaf();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    let mut client = in_the_middle(&lb, "Content-Length: 1000000000\r\n\r\n");
    // Until the other side accepts no more bytes.
    client.wire.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    while client.wire.write([b'x'; 65536]).is_ok() {}
    client.leave();
    assert_eq!(events.request("/part")["blame"], "client");
    eventually("nothing is in flight", || when(lb.backend(1)["in_flight"] == 0, ()));
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn a_broken_upload_ends_an_answer_that_has_begun() {
    let upstream = early();
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--max-body=1KiB"]);
    let events = lb.events();
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n800\r\n{}", "x".repeat(0x800));
    let table = [
        ("Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "zz\r\n", "the request's body is malformed"),
        (CHUNKS, &chunk[chunk.find("800").unwrap()..], "the request's body is larger than --max-body"),
    ];
    for (number, (begins, goes_on, failure)) in table.into_iter().enumerate() {
        let mut client = in_the_middle(&lb, begins);
        client.send(goes_on);
        assert!(!client.wire.rest().is_ok_and(|rest| rest.ends_with(b"0\r\n\r\n")), "it looks whole");
        let records = eventually("a record", || {
            let records = events.all("req");
            when(records.len() == number + 1, records)
        });
        assert_eq!(
            (&records[number]["failure"], &records[number]["blame"]),
            (&json!(failure), &json!("client"))
        );
    }
    assert_eq!(lb.backend(1)["failures"], 0);
    upstream.wait_until_unconnected();
}

#[test]
fn an_upload_that_comes_to_a_halt_within_its_answer_is_its_clients_fault() {
    let upstream = early();
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=500ms"]);
    let events = lb.events();
    for rest in [LENGTH, CHUNKS] {
        let mut client = in_the_middle(&lb, rest);
        let _ = client.wire.rest();
    }
    let records = eventually("both records", || {
        let records = events.all("req");
        when(records.len() == 2, records)
    });
    for record in records {
        let seen = (&record["failure"], &record["blame"]);
        assert_eq!(seen, (&json!("the request's body came too slowly"), &json!("client")));
    }
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn an_upload_that_moves_keeps_its_answer_alive() {
    let upstream = early();
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=400ms"]);
    let mut client = in_the_middle(&lb, "Content-Length: 12\r\n\r\n");
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert_eq!(client.wire.exactly(5).unwrap(), b"0\r\n\r\n", "it came whole, slower than the stall timeout");
}
