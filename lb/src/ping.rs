//! Is anybody there? Active health checks: every backend is asked on its own, from the first moment on.
//!
//! A ping is a TCP connection, closed at once, as in the seed; or a request for a path if one is configured.
//! A backend that is suspected of silence is asked in HTTP even so, because a stopped process still completes
//! handshakes (`anything`).
//!
//! A ping goes to the last address that is known for the backend's name. The name is looked up beside it, so a name
//! server that says nothing takes no backend down. And a ping that could not be sent, because this process is out of
//! descriptors or ports, says nothing about any backend.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use balance::evidence::of_ping;
use balance::health::{Evidence, State};
use balance::member::Mode;
use balance::verdict::Failure;

use crate::config::Config;
use crate::log::seldom::Seldom;
use crate::pool::{Backend, Pool};
use crate::proxy::connect::reach;
use crate::resolver::Resolver;

mod anything;
mod exchange;
mod well;

pub(crate) use anything::ask_anything;
pub use well::check_health;

/// How often a log line says that pings cannot be sent, while that lasts.
const REMIND: Duration = Duration::from_secs(60);

/// What all pings share.
#[derive(Debug)]
pub(crate) struct Pings {
    resolver: Resolver,
    /// Whether to say again that pings cannot be sent.
    shortage: Seldom,
}

impl Pings {
    /// Pings to names that are looked up by this resolver.
    pub(crate) fn new(resolver: Resolver) -> Self {
        Self { resolver, shortage: Seldom::every(REMIND) }
    }

    /// Says that pings cannot be sent, unless that was said a moment ago.
    fn tell_of_shortage(&self, now: Instant) {
        if self.shortage.is_due(now) {
            tracing::warn!("pings cannot be sent: {}", Failure::OutOfResources.words());
        }
    }
}

/// Pings one backend again and again, unless it is in maintenance, and tells the pool what comes of it; `pinged` is called
/// after each ping. Jitter, drawn from `random`, keeps many balancers from asking in step.
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
        if backend.said().mode != Mode::Maintenance {
            match ping(&backend, &config, &pings.resolver).await {
                Some(evidence) => {
                    tracing::debug!("backend {} pinged: {}", backend.number, words(&evidence));
                    pool.pinged(&backend, evidence, Instant::now());
                }
                None => pings.tell_of_shortage(Instant::now()),
            }
            pinged();
        }
        tokio::time::sleep(jittered(config.ping_interval, random.f64())).await;
    }
}

/// What came of a ping, for the log.
fn words(evidence: &Evidence) -> &str {
    match evidence {
        Evidence::Connected => "connected",
        Evidence::Answered => "answered",
        Evidence::PingFailed(why) | Evidence::PingRefused(why) | Evidence::NotHttp(why) => why,
        _ => "no answer in time",
    }
}

/// Nine to eleven tenths of the interval, by a number between 0 and 1.
pub(crate) fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random)
}

/// One ping, and what it says, if it says anything about the backend.
async fn ping(backend: &Arc<Backend>, config: &Config, resolver: &Resolver) -> Option<Evidence> {
    let (suspect, must_answer) = {
        let health = backend.health();
        (health.state() == State::Suspect, health.must_answer())
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
