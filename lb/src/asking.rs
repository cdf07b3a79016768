//! When the balancer asks a backend and when it judges silence. Many times a second, this task looks at the
//! traffic. It asks the backends at which a request has waited for long or has failed, and suspects those
//! that do not answer.
//!
//! The crate [`balance`] decides which backends to ask and what follows; this file waits and sends the
//! questions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use balance::evidence::of_question;

use crate::clock::{self, moment};
use crate::config::Config;
use crate::ping;
use crate::pool::{Backend, Pool};

/// Interval at which the control thread looks at the traffic of all backends.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Minimum time limit of a question, even if the time limit of pings is shorter. The rule of silence usually
/// decides earlier.
const QUESTION: Duration = Duration::from_secs(2);

/// Asks and judges the backends by their traffic, without end.
pub(crate) async fn keep_judging(pool: Arc<Pool>, settings: Arc<ArcSwap<Config>>) -> ! {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        // If this thread did not run, the workers did not run either, and bytes of the backends are still
        // unread.
        let overslept = now.duration_since(last) > LOOK * 4;
        last = now;
        if !overslept {
            pool.judge_silence(moment(now));
            for backend in pool.to_ask(moment(now)) {
                tokio::task::spawn_local(ask(Arc::clone(&pool), backend, settings.load_full()));
            }
        }
        pool.pass_time(moment(now));
    }
}

/// Asks one backend until there is a result.
async fn ask(pool: Arc<Pool>, backend: Arc<Backend>, config: Arc<Config>) {
    // Longer than the rule of silence waits before its judgement.
    let timeout = QUESTION.max(config.ping_timeout).max(config.silence.at_least * 4);
    loop {
        let reply = of_question(ping::ask_anything(&backend, &config, timeout).await);
        tracing::debug!("backend {} asked: {reply:?}", backend.number);
        if !pool.asked(&backend, reply, clock::now()) {
            return;
        }
    }
}
