//! `demo-backend`: reads the flags and runs the role that they select.

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::Parser;
use demo_backend::cli::{Cli, Role};
use demo_backend::{agent, health_check, worker};

fn main() -> ExitCode {
    let outcome = match Cli::parse().role() {
        Ok(Role::Agent(config)) => agent::run(config),
        Ok(Role::Worker(identity)) => worker::run(&identity),
        Ok(Role::HealthCheck(url)) => health_check::run(&url),
        Err(error) => error.exit(),
    };
    outcome.unwrap_or_else(|error| {
        // Without a standard error, the exit status still says it.
        let _ = writeln!(stderr(), "error: {error:#}");
        ExitCode::from(2)
    })
}
