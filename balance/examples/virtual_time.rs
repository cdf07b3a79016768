//! Ten seconds of four backends in virtual time: one is slow, and one refuses connections for a while.
//!
//! ```text
//! cargo run -p balance --example virtual_time -- least-connections
//! ```
//!
//! The decisions are those of the balancer. The clock is a counter, so the run takes milliseconds and prints
//! the same table each time.

#![expect(clippy::disallowed_macros, reason = "an example prints what it does")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use balance::evidence::{FailedTry, of_ping};
use balance::health::Evidence;
use balance::member::Member;
use balance::policy::{Kind, Request};
use balance::state::Thresholds;
use balance::verdict::{Failure, Limits, Next};
use balance::{Address, InFlight, Moment, Peer, Rules, ServerPool, Transition, outlier, silence};

const LIMITS: Limits = Limits { retries: 3, retry_delay: Duration::from_millis(10), attempts: 3 };

/// Backend 2 refuses connections in this time.
const REFUSES: std::ops::Range<u128> = 3_000..6_000;

fn refuses(backend: &Peer, now: Moment) -> bool {
    backend.number == 2 && REFUSES.contains(&now.since(Moment::START).as_millis())
}

fn tell(change: &Transition, now: Moment) {
    let Transition { backend, to, cause, .. } = change;
    println!("{:>6} ms  backend {backend} {}: {cause}", now.as_micros() / 1000, to.name());
}

/// A request on its way: when its next step is due, and what it remembers.
#[derive(Default)]
struct Journey {
    at: Option<InFlight<Peer>>,
    retries: u32,
    tried: Vec<usize>,
    served: bool,
}

/// Takes a request one step further. Returns when the next step is due, or `None` at the end.
fn step(pool: &ServerPool, journey: &mut Journey, now: Moment, random: &mut fastrand::Rng) -> Option<Moment> {
    let backend = match &journey.at {
        _ if journey.served => return None,
        Some(lease) => Arc::clone(lease.backend()),
        None => {
            let mut request = Request { key: None, now, random, notes: None };
            let backend = pool.next_backend(&journey.tried, None, &mut request)?;
            journey.at = Some(InFlight::new(Arc::clone(&backend)));
            backend
        }
    };
    if !refuses(&backend, now) {
        let takes = Duration::from_millis(if backend.number == 4 { 60 } else { 15 });
        backend.learn_latency(takes, false, now + takes);
        journey.served = true;
        return Some(now + takes);
    }
    let failed = FailedTry {
        failure: Failure::ConnectRefused,
        repeatable: true,
        retries: journey.retries,
        attempts: journey.tried.len() as u32 + 1,
        tried: &journey.tried,
        may_have_run: false,
        home: None,
        time_left: true,
    };
    let verdict = pool.judge(failed, &backend, LIMITS, now);
    for change in pool.apply_verdict(Failure::ConnectRefused, verdict, &backend, LIMITS, now) {
        tell(&change, now);
    }
    match verdict.next {
        Next::Retry(pause) => {
            journey.retries += 1;
            Some(now + pause)
        }
        Next::MoveOn | Next::Reconnect => {
            journey.tried.push(backend.number);
            (journey.at, journey.retries) = (None, 0);
            Some(now)
        }
        Next::GiveUp => None,
    }
}

fn main() -> Result<(), String> {
    let policy: Kind = std::env::args().nth(1).as_deref().unwrap_or("round-robin").parse()?;
    let rules = Rules {
        policy,
        load_view_delay: Duration::ZERO,
        subset: None,
        panic_threshold: 0,
        slow_start: Duration::ZERO,
        thresholds: Thresholds { rise: 2, fall: 3 },
        silence: silence::Rule { waiting: 3, at_least: Duration::from_millis(500) },
        outlier: outlier::Rule::OFF,
        retry_budget: None,
        ..Rules::default()
    };
    let member = |port| Member::new(Address { host: "backend.example".into(), port });
    let pool = ServerPool::new((3031..=3034).map(member).collect(), rules, |_, _| (), Moment::START);
    let mut random = fastrand::Rng::with_seed(1);
    // What is due when, and by a number of its own, so that two steps may be due in one moment.
    let mut due: BTreeMap<(Moment, u64), Journey> = BTreeMap::new();
    let mut number = 0..;
    for ms in (0..10_000).step_by(4) {
        due.insert(
            (Moment::START + Duration::from_millis(ms), number.next().unwrap_or(0)),
            Journey::default(),
        );
    }
    let (mut shares, mut failed, mut pinged) = ([0_u32; 4], 0, 0);
    while let Some(((now, _), mut journey)) = due.pop_first() {
        // Pings, once a second.
        while now >= Moment::START + Duration::from_secs(pinged) {
            for backend in pool.backends() {
                let refused =
                    refuses(&backend, now).then(|| of_ping(Failure::ConnectRefused, false)).flatten();
                if let Some(change) = pool.pinged(&backend, refused.unwrap_or(Evidence::Answered), now) {
                    tell(&change, now);
                }
            }
            pinged += 1;
        }
        match step(&pool, &mut journey, now, &mut random) {
            Some(later) => _ = due.insert((later, number.next().unwrap_or(0)), journey),
            None => match journey.at {
                Some(lease) if journey.served => shares[lease.backend().number - 1] += 1,
                _ => failed += 1,
            },
        }
    }
    println!("{policy}: shares {shares:?}, {failed} failed");
    Ok(())
}
