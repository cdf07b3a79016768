//! How fast is the simulator? Events in a second of processor time, so that other programs on the machine
//! matter little.

use std::sync::Arc;

use anyhow::{Context, ensure};
use balance::health::Evidence;
use balance::member::Member;
use balance::policy::Kind;
use balance::{Address, Moment, Rules, ServerPool};
use clap::Args;
use sim::{Arrivals, Server, Service, Sim, Stop, ms};
use strum::VariantArray;

use crate::print::print;

/// Policies whose picks cost O(n): ten thousand backends take too long.
const SLOW: [Kind; 3] = [Kind::LeastTime, Kind::WeightedRoundRobin, Kind::Rendezvous];

/// Measure the speed.
#[derive(Args)]
pub(crate) struct Speed {
    /// Requests of each run.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// The numbers of backends.
    #[arg(long, default_values_t = [4, 10_000])]
    backends: Vec<usize>,
    /// The policies; by default all whose picks do not cost O(n).
    #[arg(long)]
    policy: Vec<Kind>,
    /// With pings and looks at the traffic.
    #[arg(long)]
    checks: bool,
    /// Measure changes of a backend's state instead: this many of each policy.
    #[arg(long)]
    changes: Option<u32>,
}

impl Speed {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let all = Kind::VARIANTS.iter().filter(|kind| !SLOW.contains(kind)).copied().collect();
        let policies: Vec<_> = if self.policy.is_empty() { all } else { self.policy };
        if let Some(changes) = self.changes {
            return self
                .backends
                .iter()
                .try_for_each(|backends| measure_changes(&policies, *backends, changes));
        }
        let head = ("policy", "backends", "events", "seconds", "events/s");
        print(&format!("{:<20} {:>8} {:>10} {:>8} {:>12}\n", head.0, head.1, head.2, head.3, head.4))?;
        for backends in self.backends {
            for policy in &policies {
                let before = seconds()?;
                let report = scenario(backends, *policy, self.checks).run(Stop::Requests(self.requests));
                let took = seconds()? - before;
                let (name, events) = (policy.name(), report.events());
                print(&format!(
                    "{name:<20} {backends:>8} {events:>10} {took:>8.2} {:>10.2} M\n",
                    events as f64 / took / 1e6
                ))?;
            }
        }
        Ok(())
    }
}

/// The time in which a pool publishes that one backend is down, or up again.
fn measure_changes(policies: &[Kind], backends: usize, changes: u32) -> anyhow::Result<()> {
    print(&format!("{:<20} {:>8} {:>10}\n", "policy", "backends", "a change"))?;
    for policy in policies {
        let member = |index: usize| {
            let host = format!("10.0.{}.{}", index >> 8, index & 255);
            Member::new(Address { host, port: 80 })
        };
        let members = (0..backends).map(member).collect();
        let rules = Rules { policy: *policy, ..Rules::default() };
        let pool: ServerPool = ServerPool::new(members, rules, |_, _| (), Moment::START);
        let backend = Arc::clone(&pool.backends()[backends / 2]);
        let before = seconds()?;
        for turn in 0..changes {
            let evidence = match turn % 3 {
                0 => Evidence::CannotConnect { cause: "measured".into(), refused: true },
                _ => Evidence::Answered,
            };
            // The second answer in a row brings it up, so that two of three observations are changes.
            let changed = pool.learn(&backend, evidence, Moment::START);
            ensure!(changed.is_some() == (turn % 3 != 1), "an observation has an unexpected result");
        }
        let each = (seconds()? - before) / f64::from(changes) * 1.5;
        print(&format!("{:<20} {backends:>8} {:>7.3} ms\n", policy.name(), each * 1e3))?;
    }
    Ok(())
}

/// Servers of one worker each that are busy for 80 % of the time.
fn scenario(backends: usize, policy: Kind, checks: bool) -> Sim {
    let sim = Sim::new(1)
        .servers(backends, Server::workers(1))
        .policy(policy)
        .arrivals(Arrivals::Poisson(backends as f64 * 16.0))
        .service(Service::Exp(ms(50)));
    if checks { sim } else { sim.without_checks() }
}

/// The processor time that this process has used.
fn seconds() -> anyhow::Result<f64> {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat());
    let stat = stat.context("cannot read /proc/self/stat")?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}
