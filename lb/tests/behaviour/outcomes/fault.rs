//! A fault, and the scripts that make it.

use std::time::Duration;

use super::cell::{Stage, meets};
use crate::common::{Client, NO_PINGS, Reply, Seen, Upstream, ok};

/// An event that goes wrong around one request.
pub(super) struct Fault {
    /// Its number in the fault model.
    pub(super) id: &'static str,
    /// The fault.
    pub(super) what: &'static str,
    /// The reaction of the balancer, and the reason.
    pub(super) why: &'static str,
    pub(super) flags: &'static [&'static str],
    /// The bytes that the broken backend sends as soon as it has the head of the request.
    early: &'static str,
    answer: fn(&Seen) -> Reply,
    /// Its answer to other requests.
    otherwise: fn(&Seen) -> Reply,
    /// The other backend is broken in the same way.
    pub(super) both: bool,
    /// The end of the request's body is not sent.
    pub(super) partly: bool,
    /// Runs just before the request. The clients stay until the request has ended.
    pub(super) before: fn(&Stage<'_>) -> Vec<Client>,
    pub(super) patience: Patience,
}

/// The behaviour of the client towards its answer.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    Reads,
    /// Reads the head, and continues when this has happened.
    Pauses(fn(&Stage<'_>)),
    /// Leaves as soon as this is true, without an answer.
    LeavesWhen(fn(&Stage<'_>) -> bool),
    /// Leaves when it has the head.
    LeavesWithin,
}

/// A fault without any effect; the other methods add effects.
pub(super) const fn fault(id: &'static str, what: &'static str, why: &'static str) -> Fault {
    Fault {
        id,
        what,
        why,
        flags: &[NO_PINGS],
        early: "",
        answer: |_| ok("1"),
        otherwise: |_| ok("1"),
        both: false,
        partly: false,
        before: |_| Vec::new(),
        patience: Patience::Reads,
    }
}

impl Fault {
    pub(super) const fn flags(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    /// Shorter time limits of the balancer, so that the test is fast, but long enough for a busy machine.
    pub(super) const fn hurried(self) -> Self {
        self.flags(&[
            NO_PINGS,
            "--response-timeout=2500ms",
            "--stall-timeout=1500ms",
            "--connect-timeout=500ms",
        ])
    }

    pub(super) const fn early(self, early: &'static str) -> Self {
        Self { early, ..self }
    }

    pub(super) const fn answers(self, answer: fn(&Seen) -> Reply) -> Self {
        Self { answer, ..self }
    }

    pub(super) const fn otherwise(self, otherwise: fn(&Seen) -> Reply) -> Self {
        Self { otherwise, ..self }
    }

    pub(super) const fn at_both(self) -> Self {
        Self { both: true, ..self }
    }

    pub(super) const fn partly(self) -> Self {
        Self { partly: true, ..self }
    }

    pub(super) const fn after(self, before: fn(&Stage<'_>) -> Vec<Client>) -> Self {
        Self { before, ..self }
    }

    pub(super) const fn client(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// A backend that is broken in this way.
    pub(super) fn upstream(&self) -> Upstream {
        let Self { early, answer, otherwise, .. } = *self;
        Upstream::hasty(
            move |head| if meets(head) { early.into() } else { Vec::new() },
            move |seen| if meets(&seen.head) { answer(seen) } else { otherwise(seen) },
        )
    }
}

/// Sends these bytes, and waits for the next request.
pub(super) fn says(bytes: &str) -> Reply {
    Reply::Bytes(bytes.into())
}

/// Sends these bytes, and closes.
pub(super) fn closes(bytes: &str) -> Reply {
    Reply::Last(bytes.into())
}

/// Sends these bytes, and resets the connection.
pub(super) fn resets(bytes: &str) -> Reply {
    Reply::Reset(bytes.into())
}

/// Sends the first bytes, and then the other bytes again and again without end.
pub(super) fn repeats(beginning: &'static str, then: &'static str, pause: Duration) -> Reply {
    Reply::Take(Box::new(move |mut wire| {
        let _ = wire.write(beginning);
        while wire.write(then).is_ok() {
            std::thread::sleep(pause);
        }
    }))
}

/// Refuses connections from now on, and the balancer knows that the old ones are closed.
pub(super) fn gone(upstream: &Upstream) {
    upstream.stop();
    unconnected(upstream);
}

/// Answers no handshake from now on, and the balancer knows that the old connections are closed.
pub(super) fn unreachable(upstream: &Upstream) {
    upstream.close_connections();
    unconnected(upstream);
    upstream.choke();
}

/// The balancer knows that its connections are closed. The check reads all connections of this machine, so it
/// is omitted if there has been only a ping.
pub(super) fn unconnected(upstream: &Upstream) {
    if upstream.accepted() > 1 {
        upstream.wait_until_unconnected();
    }
}
