//! Bodies stream: nothing waits for their end, and no side is sent more than it reads.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::common::{Lb, NO_PINGS, PATIENCE, Reply, Upstream, chunked, eventually, when};

/// More than the kernel's buffers on the way can hold, and less than a balancer without backpressure would
/// take.
const BOUND: usize = 24 << 20;

/// How long a writer must wait to count as blocked.
const STUCK: Duration = Duration::from_millis(400);

/// Writes until the other side accepts no more bytes for a while, at most until `limit`. Returns the number
/// of written bytes.
fn write_until_blocked(mut stream: &TcpStream, limit: usize) -> usize {
    let some = [b'x'; 64 * 1024];
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let mut written = 0;
    while written < limit {
        match stream.write(&some) {
            Ok(n) => written += n,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error} after {written} bytes"),
        }
    }
    written
}

#[test]
fn an_answer_begins_before_it_has_ended() {
    let go_on = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&go_on);
    let upstream = Upstream::new(move |_| {
        let gate = Arc::clone(&gate);
        Reply::Take(Box::new(move |mut wire| {
            wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
            eventually("the client has read it", || when(gate.load(SeqCst), ()));
            wire.write(chunked(&["last"])).unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"").head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(10).unwrap(), b"5\r\nfirst\r\n");
    assert_eq!(lb.backend(1)["in_flight"], 1);
    go_on.store(true, SeqCst);
    assert_eq!(client.wire.exactly(14).unwrap(), b"4\r\nlast\r\n0\r\n\r\n");
    eventually("it is over", || when(lb.backend(1)["in_flight"] == 0, ()));
}

#[test]
fn a_request_begins_before_it_has_ended() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(_)) = wire.head() else { return };
        assert_eq!(wire.exactly(10).unwrap(), b"5\r\nfirst\r\n");
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nheard\r\n").unwrap();
        assert_eq!(wire.exactly(14).unwrap(), b"4\r\nlast\r\n0\r\n\r\n");
        wire.write(chunked(&["all"])).unwrap();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    client.head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(10).unwrap(), b"5\r\nheard\r\n");
    client.send(chunked(&["last"]));
    assert_eq!(client.wire.exactly(13).unwrap(), b"3\r\nall\r\n0\r\n\r\n");
}

#[test]
fn a_client_that_does_not_read_blocks_its_backend() {
    let written = Arc::new(AtomicUsize::new(0));
    let (blocked, count) = (Arc::new(AtomicBool::new(false)), Arc::clone(&written));
    let is_blocked = Arc::clone(&blocked);
    let upstream = Upstream::new(move |seen| {
        if seen.line() == "GET /other" {
            return crate::common::ok("served");
        }
        let (count, is_blocked) = (Arc::clone(&count), Arc::clone(&is_blocked));
        Reply::Take(Box::new(move |mut wire| {
            wire.write("HTTP/1.1 200 OK\r\n\r\n").unwrap();
            count.store(write_until_blocked(&wire.stream, 4 * BOUND), SeqCst);
            is_blocked.store(true, SeqCst);
            // When the client reads, it continues.
            wire.stream.set_write_timeout(Some(PATIENCE)).unwrap();
            wire.write(vec![b'y'; 1 << 20]).unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    eventually("the backend is blocked", || when(blocked.load(SeqCst), ()));
    let held = written.load(SeqCst);
    assert!(held < BOUND, "{held} bytes were taken from the backend");
    assert_eq!(lb.get("/other").text(), "served", "one slow reader delays no other client");

    client.head_of_answer().unwrap();
    let begun = Instant::now();
    let (mut some, mut ys) = (vec![0; 256 * 1024], 0);
    while ys < 1 << 20 {
        let read = client.wire.stream.read(&mut some).unwrap();
        assert!(read > 0 && begun.elapsed() < PATIENCE, "it ended after {ys} bytes of the rest");
        ys += some[..read].iter().filter(|byte| **byte == b'y').count();
    }
}

#[test]
fn a_backend_that_does_not_read_blocks_its_client() {
    let go_on = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&go_on);
    let upstream = Upstream::raw(move |mut wire| {
        let Ok(Some(_)) = wire.head() else { return };
        eventually("the client is blocked", || when(gate.load(SeqCst), ()));
        let _ = wire.rest();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 4 * BOUND));
    let taken = write_until_blocked(&client.wire.stream, 4 * BOUND);
    assert!(taken < BOUND, "{taken} bytes were taken from the client");
    go_on.store(true, SeqCst);
    client.wire.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    client.send(vec![b'x'; 1 << 20]);
}

#[test]
fn an_unread_answer_does_not_delay_the_request() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(_)) = wire.head() else { return };
        wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {BOUND}\r\n\r\n")).unwrap();
        let mut answering = wire.stream.try_clone().unwrap();
        let answer = std::thread::spawn(move || answering.write_all(&[b'a'; BOUND]));
        wire.exactly(BOUND).unwrap();
        answer.join().unwrap().unwrap();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {BOUND}\r\n\r\n"));
    // The answer fills all buffers on its way before the client has sent a byte, and while it sends.
    eventually("the answer has begun", || when(lb.state()["totals"]["status"]["2xx"] == 1, ()));
    client.send(vec![b'x'; BOUND]);
    client.head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(BOUND).unwrap().len(), BOUND);
}
