//! Which settings hold for a request? Those that are valid when it comes, from its first try to its last.
//!
//! Settings can change while the balancer serves. Every worker has its own copy, so that reading them uses no
//! memory that other workers write; a check of one pointer tells whether there are newer ones.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use balance::verdict::Limits;

use crate::config::Config;
use crate::proxy::message::via::Mark;
use arc_swap::{ArcSwap, Cache};

/// The settings of one worker.
#[derive(Debug)]
pub(crate) struct Settings {
    mine: RefCell<Mine>,
}

#[derive(Debug)]
struct Mine {
    latest: Cache<Arc<ArcSwap<Config>>, Arc<Config>>,
    in_force: Rc<InForce>,
}

/// Settings, and values that are derived from them.
#[derive(Debug)]
pub(crate) struct InForce {
    config: Arc<Config>,
    /// The mark that this balancer adds to requests.
    pub(crate) via: Mark,
    /// The limits for the tries of a request.
    pub(crate) limits: Limits,
}

impl Settings {
    pub(crate) fn new(latest: Arc<ArcSwap<Config>>) -> Self {
        let in_force = Rc::new(InForce::new(latest.load_full()));
        Self { mine: RefCell::new(Mine { latest: Cache::new(latest), in_force }) }
    }

    /// The settings for requests that come now.
    pub(crate) fn now(&self) -> Rc<InForce> {
        let Mine { latest, in_force } = &mut *self.mine.borrow_mut();
        let latest = latest.load();
        if !Arc::ptr_eq(latest, &in_force.config) {
            *in_force = Rc::new(InForce::new(Arc::clone(latest)));
        }
        Rc::clone(in_force)
    }
}

impl InForce {
    fn new(config: Arc<Config>) -> Self {
        Self {
            via: Mark::new(&config.name, config.via),
            limits: Limits {
                retries: config.retries,
                retry_delay: config.retry_delay,
                attempts: config.attempts,
            },
            config,
        }
    }
}

impl Deref for InForce {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}
