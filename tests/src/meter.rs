//! The processor time of a process for each request, with something and without it.
//!
//! A machine that is shared is sometimes slower. So the two are measured in turn, in short stretches, and the
//! median of the ratios counts.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::resources::processor_time;

/// The least number of requests in a stretch: the kernel counts processor time in steps of 10 ms.
const LEAST: u64 = 100;

/// The beginning of a stretch of a process.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pid: u32,
    spent: Duration,
    requests: u64,
}

impl Stretch {
    /// Begins a stretch: the process `pid` has handled this number of requests so far.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn begin(pid: u32, requests: u64) -> Result<Self> {
        Ok(Self { pid, spent: processor_time(pid)?, requests })
    }

    /// Ends the stretch, and returns the processor time for each of its requests, in microseconds.
    ///
    /// # Errors
    /// If there is no such process any more, or if it has handled less than 100 requests since the beginning.
    pub fn end(self, requests: u64) -> Result<f64> {
        let handled = requests.saturating_sub(self.requests);
        ensure!(handled >= LEAST, "only {handled} requests were handled, {LEAST} are needed");
        let spent = processor_time(self.pid)?.saturating_sub(self.spent);
        Ok(spent.as_secs_f64() * 1e6 / handled as f64)
    }
}

/// The costs of a request in pairs of stretches, in microseconds: without something, and with it.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    pairs: Vec<(f64, f64)>,
}

impl Costs {
    /// Adds a pair.
    pub fn add(&mut self, without: f64, with: f64) {
        self.pairs.push((without, with));
    }

    /// The median of the ratios; 1 if nothing was measured.
    pub fn ratio(&self) -> f64 {
        median(self.pairs.iter().map(|(without, with)| with / without)).unwrap_or(1.0)
    }

    /// The ratio of two stretches without it that follow each other, the larger one to the smaller one: the
    /// median. The machine alone makes such differences. Infinite before two pairs.
    pub fn noise(&self) -> f64 {
        let ratio = |pair: &[(f64, f64)]| pair[1].0.max(pair[0].0) / pair[1].0.min(pair[0].0);
        median(self.pairs.windows(2).map(ratio)).unwrap_or(f64::INFINITY)
    }
}

impl std::fmt::Display for Costs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |side: fn(&(f64, f64)) -> f64| median(self.pairs.iter().map(side)).unwrap_or_default();
        write!(
            f,
            "{:.1} us without, {:.1} us with, ratio {:.3} of {} pairs, noise {:.3}",
            side(|pair| pair.0),
            side(|pair| pair.1),
            self.ratio(),
            self.pairs.len(),
            self.noise()
        )
    }
}

/// The middle one of several values; the upper one of two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_stretch_changes_no_ratio() {
        let mut costs = Costs::default();
        assert_eq!((costs.ratio(), costs.noise()), (1.0, f64::INFINITY));
        for (without, with) in
            [(100.0, 102.0), (100.0, 250.0), (110.0, 112.0), (400.0, 101.0), (100.0, 103.0)]
        {
            costs.add(without, with);
        }
        assert!((costs.ratio() - 1.02).abs() < 0.011, "{costs}");
        assert!((costs.noise() - 3.636).abs() < 0.01, "{costs}");
    }

    #[test]
    fn a_stretch_needs_requests() {
        let own = Stretch::begin(std::process::id(), 1000).unwrap();
        assert!(own.end(1099).unwrap_err().to_string().contains("only 99 requests"));
        assert!(own.end(1100).unwrap() >= 0.0);
        assert!(Stretch::begin(u32::MAX, 0).is_err());
    }
}
