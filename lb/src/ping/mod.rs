//! Active health checks: each backend gets pings of its own, from the start of the balancer.
//!
//! A ping is a TCP connection that is closed at once, as in the Go balancer from which Roundabout started, or
//! a request for a path if one is configured. A backend that is suspected of silence always gets an HTTP
//! question, because a stopped process still completes handshakes (`anything`).
//!
//! A ping goes to the last known address of the backend's name. The name is looked up in parallel, so a name
//! server that does not answer takes no backend down. And a ping that cannot be sent, because this process
//! has no descriptors or ports left, is no evidence about any backend.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use balance::evidence::of_ping;
use balance::health::Evidence;
use balance::member::Mode;
use balance::state::State;
use balance::verdict::Failure;

use crate::clock;
use crate::config::Config;
use crate::log::seldom::Seldom;
use crate::pool::{Backend, Pool};
use crate::proxy::upstream::connect::reach;
use crate::resolver::Resolver;

mod anything;
mod exchange;
mod well;

pub(crate) use anything::ask_anything;
pub use well::check_health;

/// Interval of log lines that pings cannot be sent, while this lasts.
const REMIND: Duration = Duration::from_secs(60);

/// Values that all pings share.
#[derive(Debug)]
pub(crate) struct Pings {
    resolver: Resolver,
    /// Limits the log lines that pings cannot be sent.
    shortage: Seldom,
}

impl Pings {
    /// Pings whose names this resolver looks up.
    pub(crate) fn new(resolver: Resolver) -> Self {
        Self { resolver, shortage: Seldom::every(REMIND) }
    }

    /// Logs that pings cannot be sent, unless a line was written shortly before.
    fn tell_of_shortage(&self, now: Instant) {
        if self.shortage.is_due(now) {
            tracing::warn!("pings cannot be sent: {}", Failure::OutOfResources.words());
        }
    }
}

/// Pings one backend repeatedly, unless it is in maintenance, and passes the results to the pool; `pinged` is
/// called after each ping. Jitter, from `random`, prevents that many balancers ping at the same moments.
pub(crate) async fn keep_pinging(
    pool: Arc<Pool>,
    backend: Arc<Backend>,
    settings: Arc<ArcSwap<Config>>,
    pings: Rc<Pings>,
    mut random: fastrand::Rng,
    pinged: impl Fn(),
) -> ! {
    loop {
        let config = settings.load_full();
        if backend.spec().mode != Mode::Maintenance {
            let began = clock::now();
            match ping(&backend, &config, &pings.resolver).await {
                Some(evidence) => {
                    let (what, now) = (words(&evidence), clock::now());
                    tracing::debug!("backend {} pinged: {what}", backend.number);
                    let ok = matches!(evidence, Evidence::Connected | Evidence::Answered);
                    let what = what.to_owned();
                    pool.pinged(&backend, evidence, now);
                    pool.publish_probe(&backend, ok, what, began, now);
                }
                None => pings.tell_of_shortage(Instant::now()),
            }
            pinged();
        }
        tokio::time::sleep(jittered(config.ping_interval, random.f64())).await;
    }
}

/// The result of a ping, for the log.
fn words(evidence: &Evidence) -> &str {
    match evidence {
        Evidence::Connected => "connected",
        Evidence::Answered => "answered",
        Evidence::PingFailed(why) | Evidence::PingRefused(why) | Evidence::NotHttp(why) => why,
        _ => "no answer in time",
    }
}

/// Between nine and eleven tenths of the interval, by a number between 0 and 1.
pub(crate) fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random)
}

/// Sends one ping, and returns the evidence, if the ping gives evidence about the backend.
async fn ping(backend: &Arc<Backend>, config: &Config, resolver: &Resolver) -> Option<Evidence> {
    let (suspect, must_answer) = {
        let health = backend.health();
        (health.state() == State::Suspect, health.must_answer(clock::now()))
    };
    resolver.refresh(backend);
    let outcome = match &config.ping.path {
        Some(path) => exchange::ask_for(backend, path, config, resolver).await,
        None if must_answer => {
            ask_anything(backend, config, config.ping_timeout).await.map(|()| Evidence::Answered)
        }
        None => {
            let connected = reach(backend, config.ping.port, config.ping_timeout, resolver).await;
            connected.map(|_| Evidence::Connected)
        }
    };
    outcome.map_or_else(|failure| of_ping(failure, suspect), Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0.0), Duration::from_millis(900));
        assert_eq!(jittered(second, 0.5), second);
        assert!(jittered(second, 1.0) <= Duration::from_millis(1100));
    }
}
