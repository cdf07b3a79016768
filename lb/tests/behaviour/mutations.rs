//! Requests with random damage: the backend must read each of them as the balancer did.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Lb, NO_PINGS, PATIENCE, Upstream};

// The same streams and the same reader as for the balancer inside a fuzzer.
#[path = "../../src/fuzz/damage.rs"]
mod damage;
#[path = "../../src/fuzz/strict.rs"]
mod strict;

pub(crate) use damage::damaged;

/// Streams for each seed. The same seed always gives the same streams.
const STREAMS: usize = 150;
const SEEDS: u64 = 8;

/// The notes of a strict backend.
#[derive(Debug, Default)]
struct Notes {
    /// Requests that it read completely.
    whole: usize,
    /// Errors in requests.
    flaws: Vec<String>,
}

/// A strict backend, and its notes.
fn strict() -> (Upstream, Arc<Mutex<Notes>>) {
    let notes = Arc::new(Mutex::new(Notes::default()));
    let noted = Arc::clone(&notes);
    let upstream = Upstream::raw(move |mut wire| {
        let (mut unread, mut some) = (Vec::new(), [0; 4096]);
        loop {
            let left = match strict::request(&unread) {
                Ok(read) => read.map(|(_, rest)| rest.len()),
                Err(flaw) => return noted.lock().unwrap().flaws.push(flaw),
            };
            if let Some(left) = left {
                noted.lock().unwrap().whole += 1;
                unread.drain(..unread.len() - left);
                if wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                    return;
                }
                continue;
            }
            // An incomplete request is cut off, which is allowed.
            match wire.stream.read(&mut some) {
                Ok(read @ 1..) => unread.extend_from_slice(&some[..read]),
                _ => return,
            }
        }
    });
    (upstream, notes)
}

/// Sends a stream and counts the answers of the backend that come back. Also returns whether the client left
/// before the end, so that one more request may have reached the backend, or may yet reach it.
pub(crate) fn send(lb: &Lb, stream: &[u8]) -> (usize, bool) {
    let mut client = lb.client();
    client.send(stream);
    // Only a silence shows that the balancer waits for more bytes.
    client.wire.stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    let mut answers = 0;
    loop {
        match client.try_answer() {
            Ok(answer) => answers += usize::from(answer.status == 200),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                client.wire.finish();
                client.wire.stream.set_read_timeout(Some(PATIENCE)).unwrap();
                while client.try_answer().is_ok_and(|answer| {
                    answers += usize::from(answer.status == 200);
                    true
                }) {}
                return (answers, true);
            }
            Err(_) => return (answers, false),
        }
    }
}

/// Sends the streams of a seed.
fn send_streams(seed: u64) {
    let (upstream, notes) = strict();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut answered, mut left) = (0, 0);
    for number in 0..STREAMS {
        let stream = damaged(&mut random);
        let (answers, has_left) = send(&lb, &stream);
        answered += answers;
        left += usize::from(has_left);
        let notes = notes.lock().unwrap();
        let which = format!("seed {seed}, stream {number}: {}", stream.escape_ascii());
        assert_eq!(notes.flaws, Vec::<String>::new(), "{which}");
        // As sums, because on a busy machine the backend may see late what was in progress when a client
        // left.
        let (seen, most) = (notes.whole, answered + left);
        assert!((answered..=most).contains(&seen), "{seen} seen, {answered} answered, {left} left, {which}");
    }
    assert_eq!(
        (lb.get("/").status, &lb.backend(1)["failures"]),
        (200, &0.into()),
        "and later requests are answered"
    );
}

#[test]
fn damaged_requests_mean_the_same_to_a_strict_backend() {
    std::thread::scope(|scope| {
        for seed in 0..SEEDS {
            scope.spawn(move || send_streams(seed));
        }
    });
}
