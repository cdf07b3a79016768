//! A fault, and what it is brought about with.

use std::time::Duration;

use super::cell::{Stage, meets};
use crate::common::{Client, NO_PINGS, Reply, Seen, Upstream, ok};

/// Something that goes wrong around one request.
pub(super) struct Fault {
    /// Its number in the fault model.
    pub(super) id: &'static str,
    /// What goes wrong.
    pub(super) what: &'static str,
    /// What the balancer makes of it, and why.
    pub(super) why: &'static str,
    pub(super) flags: &'static [&'static str],
    /// What the broken backend says to the request as soon as it has its head.
    early: &'static str,
    answer: fn(&Seen) -> Reply,
    /// What it answers to others.
    otherwise: fn(&Seen) -> Reply,
    /// The other backend is broken alike.
    pub(super) both: bool,
    /// The end of the request's body is not sent.
    pub(super) partly: bool,
    /// What happens right before the request. The clients stay for as long as it takes.
    pub(super) before: fn(&Stage<'_>) -> Vec<Client>,
    pub(super) patience: Patience,
}

/// What the client does about its answer.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    Reads,
    /// Reads the head, and goes on when this has happened.
    Pauses(fn(&Stage<'_>)),
    /// Leaves as soon as this holds, without an answer.
    LeavesWhen(fn(&Stage<'_>) -> bool),
    /// Leaves when it has the head.
    LeavesWithin,
}

/// Everything is well, but for what is said of it from here on.
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

    /// The balancer waits no longer than a test has time, though longer than a busy machine needs for anything.
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

/// Says this, and waits for the next request.
pub(super) fn says(bytes: &str) -> Reply {
    Reply::Bytes(bytes.into())
}

/// Says this, and closes.
pub(super) fn closes(bytes: &str) -> Reply {
    Reply::Last(bytes.into())
}

/// Says this, and resets the connection.
pub(super) fn resets(bytes: &str) -> Reply {
    Reply::Reset(bytes.into())
}

/// Says something, and then something else again and again for ever.
pub(super) fn repeats(beginning: &'static str, then: &'static str, pause: Duration) -> Reply {
    Reply::Take(Box::new(move |mut wire| {
        let _ = wire.write(beginning);
        while wire.write(then).is_ok() {
            std::thread::sleep(pause);
        }
    }))
}

/// Refuses connections from now on, and the balancer knows that those it had are closed.
pub(super) fn gone(upstream: &Upstream) {
    upstream.stop();
    unconnected(upstream);
}

/// Answers no handshake from now on, and the balancer knows that those connections it had are closed.
pub(super) fn unreachable(upstream: &Upstream) {
    upstream.close_connections();
    unconnected(upstream);
    upstream.choke();
}

/// The balancer knows that its connections are closed. That takes a look through all connections of this machine, so
/// it is spared where there has been nothing but a ping.
pub(super) fn unconnected(upstream: &Upstream) {
    if upstream.accepted() > 1 {
        upstream.wait_until_unconnected();
    }
}
