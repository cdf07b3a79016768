//! What do all requests of a worker share?

use std::cell::Cell;
use std::rc::Rc;

use super::faulty::Faulty;
use super::places::Places;
use super::report::Reporter;
use crate::cli::WorkerConfig;
use crate::link::Orders;

/// The data that all requests of this worker share.
pub(super) struct Shared {
    pub(super) config: WorkerConfig,
    /// The id of this process; a question to the kernel would cost a system call.
    pub(super) pid: u32,
    pub(super) faulty: Rc<Faulty>,
    pub(super) places: Rc<Places>,
    /// The worker shuts down: every answer says that it is the last one of its connection.
    pub(super) ending: Cell<bool>,
    pub(super) reporter: Rc<Reporter>,
}

impl Shared {
    pub(super) fn new(config: WorkerConfig, reporter: Reporter) -> Self {
        let (faulty, reporter) = (Rc::new(Faulty::new()), Rc::new(reporter));
        Self {
            config,
            pid: std::process::id(),
            places: Rc::new(Places::new(Rc::clone(&faulty), Rc::clone(&reporter))),
            faulty,
            ending: Cell::new(false),
            reporter,
        }
    }

    /// Replaces the orders.
    pub(super) fn obey(&self, orders: Orders) {
        self.faulty.replace(orders.seed, orders.faults);
        self.places.change(orders.capacity);
    }
}
