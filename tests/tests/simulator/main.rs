//! The simulator against a live lab: the same calls, with the service times that the backends measured.
//!
//! The tests are short by default. With `ROUNDABOUT_BARS=full` they take a minute for each of four policies.
//! On a machine that is too busy to measure, a comparison of times is inconclusive. The test says so, and
//! passes.
//!
//! ```sh
//! ROUNDABOUT_BARS=full cargo test -p e2e --test simulator
//! ```

mod beside;
mod failover;
mod ghost;
mod harmless;
mod live;
mod queueing;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use balance::policy::Kind;
use libtest_mimic::{Arguments, Failed, Trial};

/// Whether the tests take their full time.
fn full() -> bool {
    std::env::var("ROUNDABOUT_BARS").is_ok_and(|bars| bars == "full")
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests measure, so they run one at a time.
    arguments.test_threads = Some(1);
    let time = Duration::from_secs(if full() { 60 } else { 10 });
    let beside = Duration::from_secs(if full() { 30 } else { 4 });
    let mut trials = vec![
        trial("round_robin_queues_as_in_the_simulation", move || {
            run(queueing::compare(Kind::RoundRobin, time, queueing::EXACT))
        }),
        trial("least_connections_queues_as_in_the_simulation", move || {
            run(queueing::compare(Kind::LeastConnections, time, queueing::CLOSE))
        }),
        trial("the_ghost_of_a_lab_agrees_under_round_robin", move || {
            run(beside::compare(Kind::RoundRobin, beside::DEMO, beside))
        }),
        trial("the_ghost_of_a_lab_agrees_under_least_connections", move || {
            run(beside::compare(Kind::LeastConnections, beside::DEMO, beside))
        }),
        trial("the_ghost_keeps_up_with_2000_requests_a_second", move || {
            run(beside::compare(Kind::RoundRobin, beside::MANY, beside))
        }),
        trial("a_failover_has_the_same_changes_as_in_the_simulation", || run(failover::compare())),
    ];
    for policy in harmless::POLICIES {
        let name = format!("a_ghost_changes_nothing_under_{policy}").replace('-', "_");
        trials.push(trial(&name, move || run(harmless::changes_nothing(policy))));
    }
    trials.push(trial("a_ghost_costs_the_balancer_nothing", || run(harmless::costs_nothing())));
    // These policies draw at random, so a short run says little about them.
    for (name, policy) in [
        ("two_choices_queue_as_in_the_simulation", Kind::TwoChoices),
        ("peak_ewma_queues_as_in_the_simulation", Kind::PeakEwma),
    ] {
        let comparison = trial(name, move || run(queueing::compare(policy, time, queueing::CLOSE)));
        trials.push(comparison.with_ignored_flag(!full()));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, || test().map_err(|error| Failed::from(format!("{error:#}"))))
}

fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test)
}
