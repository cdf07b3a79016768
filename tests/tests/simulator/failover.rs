//! A backend is killed and started, another is stopped and continued: the changes of state, live and
//! simulated.

use std::time::Duration;

use anyhow::{Result, ensure};
use balance::policy::Kind;
use e2e::origins::Watch;
use lab::topology::Lab;
use sim::{Arrivals, Fault, Pings, RecordedCall, Server, Service, Sim, Stop, ms, s};
use tokio::time::Instant;

use super::live::{recording, send};

const SERVERS: usize = 4;

/// Calls a second, of 20 ms each, at servers that serve all at once.
const RATE: f64 = 50.0;
const SIZE: Duration = ms(20);

/// The length of the script.
const TIME: Duration = s(13);

/// A change of state: when, the backend, and its new state.
type Change = (Duration, usize, String);

pub(super) async fn compare() -> Result<()> {
    let calls = calls();
    let lab = Lab::processes().backends(SERVERS).start().await?;
    let watch = Watch::begin(lab.balancer().admin()?).await?;
    let begun = Instant::now();
    let (ended, faults) = tokio::try_join!(send(lab.balancer().address(), &calls), script(&lab, begun))?;
    let live = |change: e2e::origins::Change| (change.at - begun.into_std(), change.backend, change.to);
    let changes: Vec<Change> = watch.changes().into_iter().map(live).collect();
    let failed = ended.iter().filter(|ended| ended.status != Some(200)).count();
    let sim = faults
        .iter()
        .fold(Sim::new(1).servers(SERVERS, Server::unlimited()), |sim, (at, fault)| sim.at(*at, *fault));
    let report = recording(&calls, &ended, ms(2)).replay(&sim, Kind::default());
    let simulated: Vec<Change> =
        report.changes().iter().map(|change| (change.at, change.backend, change.to.to_owned())).collect();
    println!("live      {changes:.2?}, {failed} of {} failed", ended.len());
    println!("simulated {simulated:.2?}, {} of {} failed", report.errors(), report.calls());
    judge(&changes, &simulated)?;
    ensure!(failed as u64 == report.errors(), "{failed} failed live, {} in the simulation", report.errors());
    // The comparison notices another order, and a change at another time.
    let swapped: Vec<_> = simulated.iter().rev().cloned().collect();
    let later =
        simulated.iter().map(|(at, backend, to)| (*at + s(3), *backend, to.clone())).collect::<Vec<_>>();
    ensure!(judge(&changes, &swapped).is_err() && judge(&changes, &later).is_err(), "it notices nothing");
    Ok(())
}

fn calls() -> Vec<RecordedCall> {
    let sim = Sim::new(6)
        .servers(SERVERS, Server::unlimited())
        .arrivals(Arrivals::Poisson(RATE))
        .service(Service::Fixed(SIZE));
    let (_, trace) = sim.record(Stop::Requests((TIME.as_secs_f64() * RATE) as u64));
    trace.recording().calls().to_vec()
}

/// Breaks the backends, and returns when each step was done.
async fn script(lab: &Lab, begun: Instant) -> Result<Vec<(Duration, Fault)>> {
    let mut done = Vec::new();
    let (killed, stopped) = (lab.backend(2), lab.backend(3));
    let at = |seconds| tokio::time::sleep_until(begun + s(seconds));
    at(2).await;
    killed.kill().await?;
    done.push((begun.elapsed(), Fault::Kill { backend: 2 }));
    at(5).await;
    killed.start().await?;
    done.push((begun.elapsed(), Fault::Start { backend: 2 }));
    at(8).await;
    stopped.stall().await?;
    done.push((begun.elapsed(), Fault::Stop { backend: 3 }));
    at(10).await;
    stopped.resume().await?;
    done.push((begun.elapsed(), Fault::Continue { backend: 3 }));
    Ok(done)
}

/// The same changes in the same order, each within one interval of the pings, which is up to a tenth longer
/// than its setting.
fn judge(live: &[Change], simulated: &[Change]) -> Result<()> {
    let told = |changes: &[Change]| -> Vec<_> {
        changes.iter().map(|(_, backend, to)| (*backend, to.clone())).collect()
    };
    ensure!(told(live) == told(simulated), "live {:?}, simulated {:?}", told(live), told(simulated));
    let interval = Pings::default().interval.mul_f64(1.1);
    for ((at, backend, to), (expected, ..)) in live.iter().zip(simulated) {
        let off = at.abs_diff(*expected);
        ensure!(off <= interval, "backend {backend} is {to} after {at:.2?}, simulated {expected:.2?}");
    }
    Ok(())
}
