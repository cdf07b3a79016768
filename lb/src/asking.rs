//! When does the balancer ask a backend, and when does it judge? Many times a second it looks at all traffic, asks the
//! backends at which a request has waited for long or has failed, and suspects those that do not answer.
//!
//! What to ask and what to conclude is decided in [`balance`]; this file does the waiting and the talking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use balance::evidence::of_question;

use crate::config::Config;
use crate::ping;
use crate::pool::{Backend, Pool};

/// How often the control thread looks at the traffic of all backends.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long one question may take at least, however short a ping may be. The rule of silence decides sooner.
const QUESTION: Duration = Duration::from_secs(2);

/// Asks and judges the backends by their traffic, without end.
pub(crate) async fn keep_judging(pool: Arc<Pool>, settings: Arc<ArcSwap<Config>>) -> ! {
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
async fn ask(pool: Arc<Pool>, backend: Arc<Backend>, config: Arc<Config>) {
    // Longer than the rule of silence waits before it judges.
    let patience = QUESTION.max(config.ping_timeout).max(config.silence.at_least * 4);
    loop {
        let reply = of_question(ping::ask_anything(&backend, &config, patience).await);
        tracing::debug!("backend {} asked: {reply:?}", backend.number);
        if !pool.asked(&backend, reply, Instant::now()) {
            return;
        }
    }
}
