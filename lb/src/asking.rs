//! When does the balancer ask a backend, and when does it judge? Many times a second it looks at all traffic, asks the
//! backends at which a request has waited for long or has failed, and suspects those that do not answer.
//!
//! What to ask and what to conclude is decided in [`crate::balance`]; this file does the waiting and the talking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::balance::health::Evidence;
use crate::balance::{Backend, Reply, ServerPool};
use crate::config::Config;
use crate::ping;
use crate::proxy::verdict::Failure;

/// How often the control thread looks at the traffic of all backends.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long one question may take at least, however short a ping may be. The rule of silence decides sooner.
const QUESTION: Duration = Duration::from_secs(2);

/// Asks and judges the backends by their traffic, without end.
pub(crate) async fn keep_judging(pool: Arc<ServerPool>, settings: Arc<ArcSwap<Config>>) -> ! {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        // If this thread was asleep, the workers were too, and what the backends said meanwhile lies unread.
        let overslept = now.duration_since(last) > LOOK * 4;
        last = now;
        if !overslept {
            pool.judge_silence(now);
            for backend in pool.to_ask(now) {
                tokio::task::spawn_local(ask(Arc::clone(&pool), backend, settings.load_full()));
            }
        }
        pool.pass_time(now);
    }
}

/// Asks one backend until something is known.
async fn ask(pool: Arc<ServerPool>, backend: Arc<Backend>, config: Arc<Config>) {
    // Longer than the rule of silence waits before it judges.
    let patience = QUESTION.max(config.ping_timeout).max(config.silence.at_least * 4);
    loop {
        let reply = reply(ping::ask_anything(&backend, &config, patience).await);
        tracing::debug!("backend {} asked: {reply:?}", backend.number);
        if !pool.asked(&backend, reply, Instant::now()) {
            return;
        }
    }
}

/// What the end of a question says about the backend.
pub fn reply(answer: Result<(), Failure>) -> Reply {
    let cause =
        |failure: Failure| format!("asked because a request failed or waits: {}", failure.words()).into();
    match answer {
        Ok(()) => Reply::Evidence(Evidence::Answered),
        Err(failure) => match failure {
            Failure::OutOfResources => Reply::Unasked,
            // The kernel may have accepted the connection for a process that is stopped.
            Failure::HeadTimeout => Reply::None,
            Failure::ConnectRefused => Reply::Evidence(Evidence::PingRefused(cause(failure))),
            Failure::ConnectTimeout | Failure::Unreachable | Failure::Unresolved => {
                Reply::Evidence(Evidence::PingFailed(cause(failure)))
            }
            _ => Reply::Evidence(Evidence::NotHttp(cause(failure))),
        },
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn only_the_backend_s_own_failures_are_evidence() {
        assert_eq!(reply(Ok(())), Reply::Evidence(Evidence::Answered));
        for failure in Failure::VARIANTS {
            let kind = match reply(Err(*failure)) {
                Reply::None => "none",
                Reply::Unasked => "unasked",
                Reply::Evidence(Evidence::PingRefused(_)) => "refused",
                Reply::Evidence(Evidence::PingFailed(_)) => "failed",
                Reply::Evidence(Evidence::NotHttp(_)) => "not http",
                other => panic!("{failure:?}: {other:?}"),
            };
            let expected = match failure {
                Failure::OutOfResources => "unasked",
                Failure::HeadTimeout => "none",
                Failure::ConnectRefused => "refused",
                Failure::ConnectTimeout | Failure::Unreachable | Failure::Unresolved => "failed",
                _ => "not http",
            };
            assert_eq!(kind, expected, "{failure:?}");
        }
    }
}
