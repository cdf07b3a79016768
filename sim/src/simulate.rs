//! Runs a simulation, with or without a recording of its calls.

use crate::recording::{Recording, Trace};
use crate::report::Report;
use crate::run;
use crate::settings::{Sim, Stop};

impl Sim {
    /// Runs the simulation.
    pub fn run(&self, stop: Stop) -> Report {
        run::run(self, stop).0
    }

    /// Runs the simulation, and records its calls, so that another policy can meet the same ones.
    pub fn record(&self, stop: Stop) -> (Report, Trace) {
        let sim = Self { records: true, ..self.clone() };
        let (report, recorded) = run::run(&sim, stop);
        let recording = Recording::of(recorded.unwrap_or_default());
        (report, Trace { sim: self.clone(), recording })
    }
}
