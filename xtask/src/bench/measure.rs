//! Rounds of load: in each, every proxy is measured once, one after the other.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::backends::Backends;
use super::contender::Contender;
use super::figure::{Figure, Sample};
use super::open_loop::OpenLoopReport;
use super::report::Series;
use super::started::Started;
use super::workload::{Loading, Workload};
use super::wrk::{Order, WrkReport};
use super::{idle, open_loop};
use crate::print::note;

/// The number of clients that a proxy is configured for, unless there are more.
pub(super) const ORDINARY: usize = 2048;

/// The environment and the duration of the measurements.
pub(super) struct Conditions<'a> {
    /// The backends of the proxies.
    pub(super) backends: &'a Backends,
    /// The folder for files.
    pub(super) folder: &'a Path,
    /// Rounds; in each, every proxy is measured once.
    pub(super) rounds: u16,
    /// Seconds of load for each proxy in each round.
    pub(super) seconds: u16,
    /// The number of clients in most workloads.
    pub(super) clients: u16,
    /// The number of idle connections.
    pub(super) idle: usize,
}

impl Conditions<'_> {
    /// Measures all contenders under one kind of load. `rate` is the rate of loads with a fixed rate, in
    /// requests a second.
    pub(super) fn measure(
        &self,
        workload: Workload,
        contenders: &[Contender],
        rate: f64,
    ) -> anyhow::Result<Vec<Series>> {
        let mut series: Vec<Series> = contenders.iter().map(Series::new).collect();
        // Only a small proxy shows its growth: for idle connections it starts again in every round.
        let proxies: Vec<Started> = match workload {
            Workload::Idle => Vec::new(),
            _ => contenders.iter().map(|one| self.start(workload, one)).collect::<anyhow::Result<_>>()?,
        };
        for round in 0..usize::from(self.rounds) {
            note(format!("{}: round {} of {}", workload.name(), round + 1, self.rounds));
            for turn in 0..contenders.len() {
                // Each round begins with another contender, so that no contender is always the first after a
                // pause.
                let whose = (round + turn) % contenders.len();
                let sample = match proxies.get(whose) {
                    Some(proxy) => self.sample(workload, proxy, rate),
                    None => idle::sample(&self.start(workload, &contenders[whose])?, self.idle),
                };
                series[whose].samples.push(sample.with_context(|| contenders[whose].name().to_owned())?);
            }
        }
        Ok(series)
    }

    /// Starts a proxy, checks its work, and warms it up.
    fn start(&self, workload: Workload, contender: &Contender) -> anyhow::Result<Started> {
        let connections = if workload == Workload::Idle { self.idle + 100 } else { ORDINARY };
        let proxy = Started::start(contender, &[], self.backends, connections, self.folder)?;
        let (path, bytes) = workload.loading().path();
        proxy.does_equal_work(&path, bytes)?;
        self.order(workload)?.run(proxy.port(), 1)?;
        Ok(proxy)
    }

    fn order(&self, workload: Workload) -> anyhow::Result<Order> {
        workload.loading().order(self.clients, self.folder)
    }

    /// Puts load on one proxy and measures the cost.
    fn sample(&self, workload: Workload, proxy: &Started, rate: f64) -> anyhow::Result<Sample> {
        let before = proxy.cpu_time()?;
        let (requests, rate, mut figures) = match workload.loading() {
            Loading::Open => open(&open_loop::run(proxy.port(), self.clients, rate, self.seconds)?, rate),
            _ => closed(&self.order(workload)?.run(proxy.port(), self.seconds)?),
        };
        let spent = proxy.cpu_time()?.saturating_sub(before);
        let each = spent.as_secs_f64() * 1e6 / requests as f64;
        figures.extend([
            (Figure::CpuPerRequest, each),
            (Figure::CpuPerMebibyte, each),
            (Figure::Busy, each * rate / 1e6),
            (Figure::Memory, proxy.memory()? as f64),
        ]);
        Ok(Sample::of(&figures))
    }
}

/// The result of a load: requests, requests a second, and figures.
type Came = (u64, f64, Vec<(Figure, f64)>);

fn closed(load: &WrkReport) -> Came {
    let us = |duration: Duration| duration.as_secs_f64() * 1e6;
    let figures = vec![(Figure::Rate, load.rate), (Figure::P50, us(load.p50)), (Figure::P99, us(load.p99))];
    (load.requests, load.rate, figures)
}

fn open(outcome: &OpenLoopReport, rate: f64) -> Came {
    let sent = outcome.requests as f64 / outcome.due as f64;
    let us = |quantile: f64| outcome.latencies.value_at_quantile(quantile) as f64 / 1000.0;
    let figures = vec![
        (Figure::Sent, sent),
        (Figure::P50, us(0.5)),
        (Figure::P99, us(0.99)),
        (Figure::P999, us(0.999)),
    ];
    (outcome.requests, rate * sent, figures)
}
