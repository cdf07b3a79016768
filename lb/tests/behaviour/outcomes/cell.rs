//! One cell of the matrix: one request during one fault, and its visible results on all sides.

use std::io::Write;
use std::net::Shutdown;

use serde_json::Value;

use super::fault::{Fault, Patience};
use crate::common::{Client, Head, Lb, Upstream, chunked, eventually, when};

/// The kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Get,
    /// With a body that the balancer holds for another try.
    Post,
    /// A `POST` in chunks that exceed the replay limit.
    Upload,
}

/// The kind of request, and of connection to the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) asked: Asked,
    pub(super) kept: bool,
}

impl Case {
    pub(super) const ALL: [Self; 6] = [
        Self { asked: Asked::Get, kept: false },
        Self { asked: Asked::Get, kept: true },
        Self { asked: Asked::Post, kept: false },
        Self { asked: Asked::Post, kept: true },
        Self { asked: Asked::Upload, kept: false },
        Self { asked: Asked::Upload, kept: true },
    ];
}

/// The result at the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// A complete answer.
    Status(u16),
    /// An answer that begins and does not end correctly.
    Cut,
    /// Nothing: the client has left.
    Nothing,
}

/// All visible results of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) client: Got,
    /// The number of tries at the broken backend, and at the other.
    pub(super) tries: [u64; 2],
    /// The party whose count of failures grew.
    pub(super) blamed: &'static str,
    /// How often a backend read the request completely.
    pub(super) runs: usize,
}

/// The request during the fault; earlier requests have another target.
const TARGET: &str = "/fault";

/// Together 1 MiB.
const CHUNKS: usize = 16;

/// The objects with which a fault is made.
pub(super) struct Stage<'a> {
    pub(super) lb: &'a Lb,
    pub(super) broken: &'a Upstream,
    pub(super) other: &'a Upstream,
}

/// Whether this is the request during the fault.
pub(super) fn meets(head: &Head) -> bool {
    head.first_line().ends_with(&format!(" {TARGET} HTTP/1.1"))
}

impl Stage<'_> {
    /// How often a backend has read it completely.
    pub(super) fn runs(&self) -> usize {
        let of = |upstream: &Upstream| upstream.requests().iter().filter(|seen| meets(&seen.head)).count();
        of(self.broken) + of(self.other)
    }
}

/// Sends the request during the fault to a separate balancer, and collects the results.
pub(super) fn measure(fault: &Fault, case: Case) -> Sight {
    let broken = fault.upstream();
    let other = if fault.both { fault.upstream() } else { Upstream::well("2") };
    let lb = Lb::start(&[&broken, &other], &[&["--workers=1"], fault.flags].concat());
    let stage = Stage { lb: &lb, broken: &broken, other: &other };
    broken.wait_for_ping();
    other.wait_for_ping();
    let events = lb.events();
    let mut client = lb.client();
    if case.kept {
        // One for each backend, so that it is again the turn of the broken one.
        for name in ["1", if fault.both { "1" } else { "2" }] {
            assert_eq!(client.get("/before").text(), name);
        }
    }
    let _meanwhile = (fault.before)(&stage);

    let before = lb.state();
    send(&client, case.asked, fault.partly);
    let got = receive(client, fault.patience, &stage);
    events.request(TARGET);
    let after = lb.state();

    let risen = |path: &str| number(&after, path) - number(&before, path);
    let tries = [0, 1].map(|n| {
        let risen = |name: &str| risen(&format!("/backends/{n}/{name}"));
        // Attempts without a connection are only in the first sum, and free repetitions over a new connection
        // are only in the second. No fault here has both.
        (risen("picks") + risen("retries")).max(risen("connections/opened") + risen("connections/reused"))
    });
    let failures = risen("/backends/0/failures") + risen("/backends/1/failures");
    let gone = risen("/totals/client_gone") + risen("/totals/refused");
    let blamed = match (failures, gone) {
        (0, 0) => "none",
        (0, _) => "client",
        (_, 0) => "backend",
        _ => "backend, client",
    };
    Sight { client: got, tries, blamed, runs: stage.runs() }
}

fn number(state: &Value, path: &str) -> u64 {
    state.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {path}"))
}

/// Sends the request, or all of it except the end of its body.
fn send(client: &Client, asked: Asked, partly: bool) {
    let chunk = "x".repeat((1 << 20) / CHUNKS);
    let (method, framing, body) = match asked {
        Asked::Get => ("GET", "", String::new()),
        Asked::Post => ("POST", "Content-Length: 512\r\n", "x".repeat(512)),
        Asked::Upload => ("POST", "Transfer-Encoding: chunked\r\n", chunked(&[&*chunk; CHUNKS])),
    };
    let end = if partly { body.len().saturating_sub(1) } else { body.len() };
    let request =
        format!("{method} {TARGET} HTTP/1.1\r\nHost: test.example\r\n{framing}\r\n{}", &body[..end]);
    let mut stream = client.wire.stream.try_clone().unwrap();
    // Its answer must be read at the same time, and the other side may not read all of the request.
    std::thread::spawn(move || stream.write_all(request.as_bytes()));
}

/// Reads the answer, or leaves before its end. A client that stays gets a head at least.
fn receive(mut client: Client, patience: Patience, stage: &Stage<'_>) -> Got {
    if let Patience::LeavesWhen(holds) = patience {
        eventually("the moment at which the client leaves", || when(holds(stage), ()));
        return leave(&client);
    }
    let mut head = client.head_of_answer().unwrap();
    while head.status() < 200 {
        head = client.head_of_answer().unwrap();
    }
    match patience {
        Patience::LeavesWithin => return leave(&client),
        Patience::Pauses(pause) => pause(stage),
        Patience::Reads | Patience::LeavesWhen(_) => {}
    }
    let Ok(body) = client.wire.answer_body(&head) else { return Got::Cut };
    let is_all = |name: u8| body.iter().all(|byte| *byte == name);
    assert!(head.status() != 200 || is_all(b'1') || is_all(b'2'), "a strange body: {}", body.escape_ascii());
    Got::Status(head.status())
}

fn leave(client: &Client) -> Got {
    client.wire.reset_at_end();
    let _ = client.wire.stream.shutdown(Shutdown::Both);
    Got::Nothing
}
