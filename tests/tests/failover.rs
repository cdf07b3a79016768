//! The promises of the balancer when backends die, stall, become slow or disappear: scenarios with real
//! processes under real load, with measurements.
//!
//! The scenarios measure, so they run one at a time; each still has its own lab and ports.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use lab::load::{Call, Crowd, Load, Outcome, Running};
use lab::topology::Lab;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// Clients of the closed-loop scenarios, each on a keep-alive connection.
const CLIENTS: usize = 32;

/// The time limit until a backend that came back serves again.
const RECOVERY: Duration = Duration::from_secs(3);

/// The time limit until pings alone find that a backend is gone: the third failure in a row decides, and each
/// ping comes up to 1.1 s after the one before.
const DETECTION: Duration = Duration::from_secs(5);

/// The machine has two cores and a scenario needs them: only the holder of this lock measures.
static MACHINE: Mutex<()> = Mutex::const_new(());

async fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

/// Lets the load run for a period, over which the rates are measured.
async fn measure(stretch: Duration) {
    tokio::time::sleep(stretch).await;
}

/// Waits until the clients get answers of a backend that was brought back, and returns the time that this
/// took.
async fn until_it_serves(load: &Running, backend: u32, since: Instant) -> Result<Duration> {
    lab::eventually(RECOVERY, &format!("backend {backend} to serve"), async || {
        let answers = load.recent(Duration::from_millis(50)).answers;
        ensure!(answers.contains_key(&backend), "answers come from {:?}", answers.keys());
        Ok(())
    })
    .await?;
    Ok(since.elapsed())
}

#[tokio::test]
async fn a_killed_backend_costs_no_get() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    let load = Load::closed(lab.balancer().address(), CLIENTS).call(Call::get("/")).start()?;
    measure(Duration::from_secs(1)).await;

    load.phase("killed");
    lab.backend(2).kill().await?;
    lab.until_state(2, "down", Duration::from_secs(1)).await?;
    measure(Duration::from_secs(1)).await;

    load.phase("started");
    let started = Instant::now();
    lab.backend(2).start().await?;
    let recovered = until_it_serves(&load, 2, started).await?;

    let report = load.stop().await?;
    let killed = report.phase("killed").context("the phase was begun")?;
    println!("killed: {killed:?}; served again after {recovered:?}");
    assert_eq!(report.errors(), [], "no client may notice");
    assert!(
        killed.latency.max < Duration::from_millis(250),
        "the slowest answer took {:?}",
        killed.latency.max
    );
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.lost.is_empty(), "answered in a backend's name, executed by none: {:?}", compared.lost);
    Ok(())
}

#[tokio::test]
async fn a_killed_backend_fails_only_the_posts_that_were_at_it() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    let load = Load::closed(lab.balancer().address(), CLIENTS).call(Call::post("/", 512)).start()?;
    measure(Duration::from_secs(1)).await;
    let mut witness = TcpStream::connect(lab.backend(2).address()).await?;
    let before = load.elapsed();
    lab.backend(2).kill().await?;
    // On a busy machine, the kernel informs the other sides some time after the end of the process, in the
    // order in which its connections were opened; so earlier connections are also informed by now.
    let _ = witness.read(&mut [0]).await;
    let after = load.elapsed();
    measure(Duration::from_secs(1)).await;
    let report = load.stop().await?;

    let open_at_the_kill = |entry: &&lab::load::Entry| entry.sent <= after && entry.ended >= before;
    let at_the_kill = report.entries().iter().filter(open_at_the_kill).count();
    let failed: Vec<_> = report.entries().iter().filter(|entry| entry.is_error()).collect();
    println!("{} of {} failed, {at_the_kill} were open at the kill", failed.len(), report.summary().requests);
    for entry in &failed {
        assert_eq!(entry.outcome, Outcome::Answered(502), "{entry:?}");
        assert!(open_at_the_kill(entry), "not in flight at the kill ({before:?} to {after:?}): {entry:?}");
    }
    assert!(failed.len() <= CLIENTS, "{} failed", failed.len());
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.doubled.is_empty(), "executed twice: {:?}", compared.doubled);
    assert!(compared.lost.is_empty(), "lost: {:?}", compared.lost);
    Ok(())
}

#[tokio::test]
async fn a_stopped_backend_is_left_alone_within_two_seconds() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    // 20 ms each: then the answers set the pace, and not the other load of this machine.
    let load = Load::closed(lab.balancer().address(), CLIENTS).call(Call::get("/delay/20")).start()?;
    measure(Duration::from_millis(500)).await;
    load.phase("steady");
    measure(Duration::from_secs(2)).await;

    load.phase("stopped");
    lab.backend(3).stall().await?;
    measure(Duration::from_secs(2)).await;
    load.phase("two seconds later");
    measure(Duration::from_secs(2)).await;

    load.phase("continued");
    let continued = Instant::now();
    lab.backend(3).resume().await?;
    let recovered = until_it_serves(&load, 3, continued).await?;

    let report = load.stop().await?;
    let rate = |name: &str| report.phase(name).map(|phase| phase.rate()).context("the phase was begun");
    let (steady, later) = (rate("steady")?, rate("two seconds later")?);
    println!(
        "steady {steady:.0}/s, two seconds after the stop {later:.0}/s, serves again after {recovered:?}"
    );
    assert_eq!(report.errors(), [], "no client may notice");
    assert!(later >= 0.9 * steady, "{later:.0} of {steady:.0} requests a second");
    Ok(())
}

#[tokio::test]
async fn a_slow_path_among_fast_ones_is_no_silence() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    let load = Load::open(lab.balancer().address())
        .call(Call::get("/").rate(200.0))
        .call(Call::get("/delay/5000").rate(1.0))
        .start()?;
    measure(Duration::from_secs(12)).await;
    let report = load.stop().await?;

    let state = lab.balancer().state().await?;
    for backend in &state.backends {
        assert_eq!(backend.state, "up", "{backend:?}");
        assert!(backend.for_ms > 12_000, "it was suspected meanwhile: {backend:?}");
    }
    assert_eq!(report.errors(), []);
    let slow = report.entries().iter().filter(|entry| entry.call == 1).count();
    assert!(slow >= 10, "only {slow} slow requests ended");
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.doubled.is_empty(), "executed twice: {:?}", compared.doubled);
    Ok(())
}

#[tokio::test]
async fn clients_that_vanish_blame_no_backend() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    let crowd = Crowd::ask(lab.balancer().address(), 64, "/delay/10000").await?;
    let second = Duration::from_secs(1);
    lab.until(5 * second, "64 requests in flight", |state| {
        ensure!(state.in_flight() == 64, "{} are", state.in_flight());
        Ok(())
    })
    .await?;
    assert_eq!(crowd.vanish(), 64);
    let state = lab
        .until(5 * second, "all of them to be let go", |state| {
            ensure!(state.in_flight() == 0, "{} are still in flight", state.in_flight());
            ensure!(state.totals.client_gone == 64, "{} clients counted as gone", state.totals.client_gone);
            Ok(state.clone())
        })
        .await?;
    for backend in &state.backends {
        assert_eq!((&backend.state[..], backend.failures), ("up", 0), "{backend:?}");
        assert_eq!(backend.progress, None, "not even on the way down: {backend:?}");
        assert_eq!(backend.cause, "assumed at start", "its state never changed: {backend:?}");
    }
    Ok(())
}

#[tokio::test]
async fn shares_are_exact_over_all_workers() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).lb_arg("--workers=2").start().await?;
    let shares = async |requests: u64| -> Result<Vec<u64>> {
        let load = Load::closed(lab.balancer().address(), CLIENTS).call(Call::get("/")).start()?;
        lab::eventually(Duration::from_secs(30), "enough requests", async || {
            ensure!(load.begun() >= requests, "{} were sent", load.begun());
            Ok(())
        })
        .await?;
        let report = load.stop().await?;
        assert_eq!(report.errors(), []);
        Ok(report.summary().answers.into_values().collect())
    };
    let spread = |shares: &[u64]| shares.iter().max().unwrap_or(&0) - shares.iter().min().unwrap_or(&0);

    let four = shares(10_000).await?;
    assert!(four.len() == 4 && spread(&four) <= 1, "{four:?}");

    lab.backend(2).kill().await?;
    lab.until_state(2, "down", DETECTION).await?;
    let three = shares(10_000).await?;
    assert!(three.len() == 3 && spread(&three) <= 1, "{three:?}");

    lab.backend(2).start().await?;
    lab.until_state(2, "up", RECOVERY).await?;
    let again = shares(10_000).await?;
    assert!(again.len() == 4 && spread(&again) <= 1, "{again:?}");
    println!("four {four:?}, three {three:?}, four again {again:?}");
    Ok(())
}

#[tokio::test]
async fn with_all_down_the_answer_is_quick_and_says_when_to_come_back() -> Result<()> {
    let _alone = alone().await;
    let lab = Lab::processes().backends(4).start().await?;
    for backend in lab.backends() {
        backend.kill().await?;
    }
    for number in 1..=4 {
        lab.until_state(number, "down", DETECTION).await?;
    }
    let asked = Instant::now();
    let refused = lab.balancer().get("/").await?;
    let took = asked.elapsed();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(took < Duration::from_millis(50), "{took:?}");
    let retry_after: u64 = refused.header("retry-after").context("it says when to come back")?.parse()?;
    assert!((1..=5).contains(&retry_after), "{retry_after} s");

    let started = Instant::now();
    lab.backend(3).start().await?;
    lab::eventually(RECOVERY, "an answer", async || lab.balancer().get("/").await?.ok()).await?;
    println!("refused within {took:?}; served {:?} after the start", started.elapsed());
    Ok(())
}
