//! How fast is the simulator? Events in a second of processor time, so that other programs on the machine
//! matter little.

use anyhow::Context;
use balance::policy::Kind;
use clap::Args;
use sim::{Arrivals, Server, Service, Sim, Stop, ms};
use strum::VariantArray;

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
}

impl Speed {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let all = Kind::VARIANTS.iter().filter(|kind| !SLOW.contains(kind)).copied().collect();
        let policies: Vec<_> = if self.policy.is_empty() { all } else { self.policy };
        println!("{:<20} {:>8} {:>10} {:>8} {:>12}", "policy", "backends", "events", "seconds", "events/s");
        for backends in self.backends {
            for policy in &policies {
                let before = seconds()?;
                let report = scenario(backends, *policy, self.checks).run(Stop::Requests(self.requests));
                let took = seconds()? - before;
                let (name, events) = (policy.name(), report.events());
                println!(
                    "{name:<20} {backends:>8} {events:>10} {took:>8.2} {:>10.2} M",
                    events as f64 / took / 1e6
                );
            }
        }
        Ok(())
    }
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

/// The processor time that this process has used in its own code.
fn seconds() -> anyhow::Result<f64> {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat());
    let stat = stat.context("cannot read /proc/self/stat")?;
    Ok(stat.utime as f64 / procfs::ticks_per_second() as f64)
}
