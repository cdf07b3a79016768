//! The cost of a thousand clients that never finish a request, and a thousand that hardly read, for the other
//! clients.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::load::{Call, Crowd, Load};
use lab::topology::Lab;

/// Clients of each kind.
const SLOW: usize = 1000;

/// The memory that one of them may occupy.
const EACH: u64 = 64 * 1024;

/// Calm and crowded periods, in turn, so that other load of this machine affects both.
const ROUNDS: usize = 5;

/// The length of a period.
const STRETCH: Duration = Duration::from_secs(2);

/// A slower answer still belongs to the burst of work when so many clients come at once.
const BURST: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_thousand_slow_clients_of_each_kind_do_not_slow_down_others() -> Result<()> {
    // No client exceeds a time limit in this test.
    let lab = Lab::processes().backends(4).lb_arg("--head-timeout=60s").start().await?;
    let server = lab.balancer().address();
    let load = Load::open(server).call(Call::get("/").rate(500.0)).start()?;
    let connected = async |least: usize, most: usize| {
        lab.until(Duration::from_secs(10), &format!("{least} to {most} connections"), |state| {
            let clients = least as u64..=most as u64;
            ensure!(clients.contains(&state.connections), "there are {}", state.connections);
            Ok(())
        })
        .await
    };
    // A thousand answers that begin at once are a burst of work for all: this test is about the time
    // afterwards.
    let settled = async || {
        lab::eventually(Duration::from_secs(20), "the burst to be over", async || {
            let slowest = load.recent(Duration::from_millis(200)).latency.max;
            ensure!(slowest < BURST, "answers take up to {slowest:?}");
            Ok(())
        })
        .await
    };
    let mut rounds = Vec::new();
    let (mut asking, mut reading) = (0, 0);
    for _ in 0..ROUNDS {
        connected(0, SLOW - 1).await?;
        settled().await?;
        let calm = load.elapsed();
        tokio::time::sleep(STRETCH).await;
        let calm = calm..load.elapsed();

        let before = lab.balancer().resident()?;
        let _askers = Crowd::ask_slowly(server, SLOW).await?;
        connected(SLOW, 2 * SLOW - 1).await?;
        let between = lab.balancer().resident()?;
        let _readers = Crowd::read_slowly(server, SLOW, "/bytes/1000000").await?;
        connected(2 * SLOW, 3 * SLOW).await?;
        settled().await?;
        let crowded = load.elapsed();
        tokio::time::sleep(STRETCH).await;
        rounds.push((calm, crowded..load.elapsed()));
        connected(2 * SLOW, 3 * SLOW).await?;
        // A later round finds memory that is already occupied.
        asking = asking.max(between.saturating_sub(before) / SLOW as u64);
        reading = reading.max(lab.balancer().resident()?.saturating_sub(between) / SLOW as u64);
    }
    let report = load.stop().await?;
    assert_eq!(report.errors(), []);
    let p99 = |stretch: std::ops::Range<Duration>| report.between(stretch.start, stretch.end).latency.p99;
    let times: Vec<_> = rounds.into_iter().map(|(calm, crowded)| (p99(calm), p99(crowded))).collect();
    println!("p99 without and with them: {times:?}; bytes for each that asks {asking}, that reads {reading}");
    assert!(asking <= EACH && reading <= EACH, "{asking} and {reading} bytes each");
    let mut ratios: Vec<_> = times.iter().map(|(calm, crowded)| crowded.div_duration_f64(*calm)).collect();
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[ROUNDS / 2] < 2.0, "the others' p99 grows by {ratios:?}");
    Ok(())
}
