//! The same promises in containers, where a backend can also be frozen or lose its network.
//!
//! These tests need Docker. Without it they are reported as ignored, with the reason; if the variable
//! `ROUNDABOUT_REQUIRE_DOCKER` is set, as in continuous integration, they fail instead.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::ContainerLab;
use lab::load::{Call, Load, Running};
use libtest_mimic::{Arguments, Failed, Trial};

/// The time limit until the balancer avoids a backend, and until it uses the backend again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A test's name, and the function that runs it.
type Story = (&'static str, fn() -> Result<()>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = lab::image::docker_answers().err().map(|reason| format!("{reason:#}"));
    if let Some(reason) = &missing {
        eprintln!("container tests need Docker, and {reason}");
    }
    let insisted = std::env::var_os("ROUNDABOUT_REQUIRE_DOCKER").is_some();
    let ready = match &missing {
        None if !arguments.list => lab::image::build().map(drop),
        _ => Ok(()),
    };
    let ready = ready.map_err(|error| format!("{error:#}"));

    let stories: [Story; 3] = [
        ("a_killed_container_costs_no_get", || run(a_killed_container_costs_no_get())),
        ("a_frozen_container_is_left_alone", || run(a_frozen_container_is_left_alone())),
        ("a_container_cut_off_from_its_network_costs_no_get", || {
            run(a_container_cut_off_from_its_network_costs_no_get())
        }),
    ];
    let trials = stories.map(|(name, story)| {
        let (missing, ready) = (missing.clone(), ready.clone());
        let ignored = missing.is_some() && !insisted;
        // The name contains the reason, because the report has no other place for it.
        let name = if ignored { format!("{name} (Docker is missing)") } else { name.to_owned() };
        let trial = Trial::test(name, move || match missing {
            Some(reason) => Err(Failed::from(reason)),
            None => ready
                .map_err(Failed::from)
                .and_then(|()| story().map_err(|error| format!("{error:?}").into())),
        });
        trial.with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn run(story: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(story)
}

fn gentle_load(lab: &ContainerLab) -> Result<Running> {
    Load::open(lab.address()).call(Call::get("/").rate(100.0)).start()
}

/// Lets the load run for a second after the recovery, ends it, and checks that no client saw an error.
async fn no_client_noticed(load: Running) -> Result<()> {
    let so_far = load.begun();
    lab::eventually(PATIENCE, "a hundred more requests", async || {
        ensure!(load.begun() >= so_far + 100, "only {} more", load.begun() - so_far);
        Ok(())
    })
    .await?;
    let report = load.stop().await?;
    let summary = report.summary();
    println!("{} requests, slowest {:?}", summary.requests, summary.latency.max);
    assert_eq!(report.errors(), [], "no client may notice");
    Ok(())
}

async fn a_killed_container_costs_no_get() -> Result<()> {
    let lab = ContainerLab::start("kill", 4).await?;
    let load = gentle_load(&lab)?;
    lab.backend(2).kill().await?;
    lab.until_state(2, "down", PATIENCE).await.context("after the kill")?;
    lab.backend(2).start().await?;
    lab.until_state(2, "up", PATIENCE).await.context("after the start")?;
    no_client_noticed(load).await
}

async fn a_frozen_container_is_left_alone() -> Result<()> {
    let lab = ContainerLab::start("freeze", 4).await?;
    let load = gentle_load(&lab)?;
    lab.backend(3).pause().await?;
    lab.until_state(3, "suspect", PATIENCE).await.context("after the freeze")?;
    lab.backend(3).unpause().await?;
    lab.until_state(3, "up", PATIENCE).await.context("after the thaw")?;
    no_client_noticed(load).await
}

async fn a_container_cut_off_from_its_network_costs_no_get() -> Result<()> {
    let lab = ContainerLab::start("cut", 4).await?;
    let load = gentle_load(&lab)?;
    lab.backend(4).disconnect().await?;
    lab.until_state(4, "down", PATIENCE).await.context("after the cut")?;
    lab.backend(4).connect().await?;
    lab.until_state(4, "up", PATIENCE).await.context("after the repair")?;
    no_client_noticed(load).await
}
