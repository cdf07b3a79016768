//! Requests that somebody has damaged: whatever the balancer takes them for, its backend takes them for the same.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Lb, NO_PINGS, PATIENCE, Upstream};

/// Streams that are sent for each seed. What comes out of a seed once comes out of it again.
const STREAMS: usize = 150;
const SEEDS: u64 = 8;

/// What is damaged.
const SOUND: [&str; 8] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
    "PUT http://other/c HTTP/1.1\r\nHost: h\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n",
    "GET /d HTTP/1.0\r\nConnection: keep-alive\r\nTE: trailers\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: a\r\n\r\n",
    "DELETE /e HTTP/1.1\r\nHost: h\r\nContent-Length: 32\r\n\r\nGET /in HTTP/1.1\r\nHost: in\r\n\r\n!!",
    "GET /f HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\nVia: 1.1 a\r\nExpect: \r\n\r\n",
];

/// Bytes that mean something.
const MEANINGFUL: &[u8] = b"\r\n\r\n\0 \t:;,#*/?0123456789abcdefxGHT.\x0b\x7f\xff";

/// Two or three requests, one after the other, with some damage.
pub(crate) fn damaged(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..random.usize(2..=3) {
        bytes.extend_from_slice(SOUND[random.usize(..SOUND.len())].as_bytes());
    }
    for _ in 0..random.usize(0..=3) {
        let at = random.usize(..bytes.len());
        let until = (at + random.usize(1..=8)).min(bytes.len());
        match random.u8(0..5) {
            0 => bytes[at] = MEANINGFUL[random.usize(..MEANINGFUL.len())],
            1 => bytes.insert(at, MEANINGFUL[random.usize(..MEANINGFUL.len())]),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let copy = bytes[at..until].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes[at] ^= 1 << random.u8(..8),
        }
    }
    bytes
}

/// What a strict reader finds wrong with a head.
fn flaw(text: &str) -> Option<String> {
    let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
    let first: Vec<_> = lines.next()?.split(' ').collect();
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b))
    };
    if first.len() != 3
        || !token(first[0])
        || first[2] != "HTTP/1.1"
        || !first[1].bytes().all(|b| b.is_ascii_graphic())
    {
        return Some(format!("first line {first:?}"));
    }
    let (mut framings, mut hosts) = (0, 0);
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { return Some(format!("line {line:?}")) };
        if !token(name) || value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Some(format!("line {line:?}"));
        }
        framings += usize::from(["content-length", "transfer-encoding"].contains(&name));
        hosts += usize::from(name == "host");
    }
    (framings > 1 || hosts > 1).then(|| "more than one framing or host".to_owned())
}

/// What a strict backend notes.
#[derive(Debug, Default)]
struct Notes {
    /// Requests that it read whole.
    whole: usize,
    /// What was wrong with any.
    flaws: Vec<String>,
}

/// A strict backend, and what it notes.
fn strict() -> (Upstream, Arc<Mutex<Notes>>) {
    let notes = Arc::new(Mutex::new(Notes::default()));
    let noted = Arc::clone(&notes);
    let upstream = Upstream::raw(move |mut wire| {
        while let Ok(Some(head)) = wire.head() {
            if let Some(flaw) = flaw(&head.text) {
                noted.lock().unwrap().flaws.push(format!("{flaw} in {:?}", head.text));
            }
            match wire.request_body(&head) {
                Ok(_) => noted.lock().unwrap().whole += 1,
                // What does not come whole is cut, and cut is fine.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => {
                    return noted.lock().unwrap().flaws.push(format!("{error} behind {:?}", head.text));
                }
            }
            if wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    });
    (upstream, notes)
}

/// Sends a stream and counts the answers of the backend that come back.
pub(crate) fn send(lb: &Lb, stream: &[u8]) -> usize {
    let mut client = lb.client();
    client.send(stream);
    // Whether it waits for more can only be told by its silence.
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
                return answers;
            }
            Err(_) => return answers,
        }
    }
}

/// Sends what comes out of a seed.
fn send_streams(seed: u64) {
    let (upstream, notes) = strict();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 0..STREAMS {
        let stream = damaged(&mut random);
        let before = notes.lock().unwrap().whole;
        let answers = send(&lb, &stream);
        let notes = notes.lock().unwrap();
        let (seen, which) =
            (notes.whole - before, format!("seed {seed}, stream {number}: {}", stream.escape_ascii()));
        assert_eq!(notes.flaws, Vec::<String>::new(), "{which}");
        // One may have been under way when the client left.
        assert!(answers <= seen && seen <= answers + 1, "{seen} seen, {answers} answered, {which}");
    }
    assert_eq!((lb.get("/").status, &lb.backend(1)["failures"]), (200, &0.into()), "and nobody is worse off");
}

#[test]
fn damaged_requests_mean_the_same_to_a_strict_backend() {
    std::thread::scope(|scope| {
        for seed in 0..SEEDS {
            scope.spawn(move || send_streams(seed));
        }
    });
}
