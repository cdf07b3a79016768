//! The simulator against queueing theory: each mean within 4.9 standard deviations, which come from batches.
//!
//! The counter-cases show that the check can fail: a server with another order of service, and a server that
//! forgets work.

use std::time::Duration;

use balance::policy::Kind;
use sim::{Arrivals, Discipline, Queue, Report, Server, Service, Sim, Stop, ms, theory};

/// Parts of a run, long in comparison with the time that a queue remembers.
const BATCHES: usize = 50;

/// The largest distance, in standard deviations: 1e-6 for a normal distribution.
const SIGMAS: f64 = 4.9;

/// The mean time of service. All results are in multiples of it.
const SERVICE: Duration = ms(50);

/// An estimate from the batches of a run.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    value: f64,
    deviation: f64,
}

impl Estimate {
    /// The mean of the values of all batches, and the standard deviation of this mean.
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|one| (one - value).powi(2)).sum::<f64>() / (n - 1.0);
        Self { value, deviation: (square / n).sqrt() }
    }

    /// The distance from an expected value, in standard deviations.
    fn off(self, expected: f64) -> f64 {
        (self.value - expected) / self.deviation
    }

    fn agrees(self, expected: f64) -> bool {
        self.off(expected).abs() < SIGMAS
    }
}

/// The latencies of each batch in mean service times.
fn batches(report: &Report) -> Vec<Vec<f64>> {
    let all = report.latencies();
    let size = all.len() / BATCHES;
    assert!(size > 0, "{} latencies", all.len());
    let in_services = |latency: &u64| *latency as f64 / SERVICE.as_nanos() as f64;
    all.chunks_exact(size).take(BATCHES).map(|batch| batch.iter().map(in_services).collect()).collect()
}

fn mean(report: &Report) -> Estimate {
    let mean = |batch: &Vec<f64>| batch.iter().sum::<f64>() / batch.len() as f64;
    Estimate::of(&batches(report).iter().map(mean).collect::<Vec<_>>())
}

fn p99(report: &Report) -> Estimate {
    let p99 = |batch: Vec<f64>| {
        let mut batch = batch;
        batch.sort_unstable_by(f64::total_cmp);
        batch[batch.len() * 99 / 100]
    };
    Estimate::of(&batches(report).into_iter().map(p99).collect::<Vec<_>>())
}

/// Requests a second at which these servers with `workers` each are busy for this part of the time.
fn rate(servers: usize, workers: u32, load: f64) -> Arrivals {
    Arrivals::Poisson(servers as f64 * f64::from(workers) * load / SERVICE.as_secs_f64())
}

/// One server under Poisson arrivals, without a balancer's own checks.
fn queue(server: Server, workers: u32, load: f64, service: Service) -> Sim {
    Sim::new(7)
        .servers(1, server)
        .without_checks()
        .arrivals(rate(1, workers, load))
        .service(service)
        .warm_up(20_000)
        .keep_latencies()
}

fn run(sim: Sim) -> Report {
    sim.run(Stop::Requests(520_000))
}

fn mm(workers: u32, load: f64) -> Report {
    run(queue(Server::workers(workers), workers, load, Service::Exp(SERVICE)))
}

#[test]
fn one_worker_with_exponential_work() {
    for load in [0.5, 0.8, 0.9] {
        let report = mm(1, load);
        let (mean, p99) = (mean(&report), p99(&report));
        assert!(mean.agrees(theory::mm1_mean(load)), "load {load}: {mean:?}");
        assert!(p99.agrees(theory::mm1_quantile(load, 0.99)), "load {load}: {p99:?}");
        // Little's law in the same run: in flight = rate x time. Only the ends of the run differ.
        let rate = report.calls() as f64 / report.duration().as_secs_f64();
        let by_law = rate * report.mean().as_secs_f64();
        assert!((report.in_flight() / by_law - 1.0).abs() < 1e-3, "{} {by_law}", report.in_flight());
    }
}

#[test]
fn several_workers_with_one_queue() {
    for (workers, load) in
        [2, 4, 16].into_iter().flat_map(|workers| [0.5, 0.8, 0.9].map(|load| (workers, load)))
    {
        let report = mm(workers, load);
        let mean = mean(&report);
        assert!(mean.agrees(theory::mmc_mean(workers, load)), "{workers} workers, load {load}: {mean:?}");
        // Waits come in bunches, so that the deviation is greater than that of independent draws.
        let expected = theory::erlang_c(workers, load);
        assert!((report.waited() - expected).abs() < 0.02, "{workers}, {load}: {}", report.waited());
    }
}

#[test]
fn one_worker_with_equal_work() {
    for load in [0.5, 0.8, 0.9] {
        let mean = mean(&run(queue(Server::workers(1), 1, load, Service::Fixed(SERVICE))));
        assert!(mean.agrees(theory::md1_mean(load)), "load {load}: {mean:?}");
    }
}

/// The part of the calls that a server without a queue refuses, in batches of ticks.
#[test]
fn without_a_queue_the_share_of_erlang_b_is_refused() {
    for (workers, load) in [(1, 0.8), (4, 0.8), (16, 0.9)] {
        let server = Server::workers(workers).queue(Queue::Bound(0));
        let report = run(queue(server, workers, load, Service::Exp(SERVICE)).ticks());
        let ticks = report.ticks();
        let refused = |ticks: &[sim::Tick]| {
            let sum = |of: fn(&sim::Tick) -> u64| ticks.iter().map(of).sum::<u64>() as f64;
            sum(|tick| tick.errors) / (sum(|tick| tick.errors) + sum(|tick| tick.good))
        };
        let values: Vec<_> = ticks.chunks_exact(ticks.len() / BATCHES).take(BATCHES).map(refused).collect();
        let estimate = Estimate::of(&values);
        let expected = theory::erlang_b(workers, f64::from(workers) * load);
        assert!(estimate.agrees(expected), "{workers} workers: {estimate:?} instead of {expected}");
    }
}

fn supermarket(policy: Kind, load: f64, calls: u64) -> Report {
    Sim::new(7)
        .servers(500, Server::workers(1))
        .policy(policy)
        .without_checks()
        .arrivals(rate(500, 1, load))
        .service(Service::Exp(SERVICE))
        .warm_up(calls / 5)
        .keep_latencies()
        .run(Stop::Requests(calls))
}

/// The formula holds for an infinite number of servers. The difference to 500 is smaller than the noise here.
#[test]
fn the_shorter_of_two_queues_among_500() {
    let report = supermarket(Kind::TwoChoices, 0.9, 1_000_000);
    let (found, expected) = (mean(&report), theory::supermarket_mean(2, 0.9));
    assert!(found.agrees(expected), "{found:?} instead of {expected}");
    assert!((found.value / expected - 1.0).abs() < 0.01, "{found:?} instead of {expected}");
}

#[test]
fn counter_case_one_choice_is_not_two() {
    let found = mean(&supermarket(Kind::Random, 0.9, 1_000_000));
    assert!(!found.agrees(theory::supermarket_mean(2, 0.9)), "{found:?}");
}

#[test]
fn counter_case_the_last_comes_first() {
    let report = run(queue(Server::workers(1).discipline(Discipline::Lifo), 1, 0.8, Service::Exp(SERVICE)));
    let (mean, p99) = (mean(&report), p99(&report));
    assert!(mean.agrees(theory::mm1_mean(0.8)), "the order does not change the mean: {mean:?}");
    assert!(!p99.agrees(theory::mm1_quantile(0.8, 0.99)), "{p99:?}");
}

#[test]
fn counter_case_a_server_that_forgets_the_rest_of_the_work() {
    let server = Server::workers(1).discipline(Discipline::ForgetRest);
    let mean = mean(&run(queue(server, 1, 0.8, Service::Exp(SERVICE))));
    assert!(!mean.agrees(theory::mm1_mean(0.8)), "{mean:?}");
}
