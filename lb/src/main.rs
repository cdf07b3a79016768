//! `lb`: reads the settings, runs the balancer, and returns the exit status.

use std::process::ExitCode;

use lb::cli::{Cli, Command};
use lb::control::Origin;
use lb::exit::{CANNOT_START, print_error};
use lb::log::{LAST_LINES, Log};
use lb::server::Server;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    if let Some(url) = &cli.check_health {
        return lb::ping::check_health(url);
    }
    match &cli.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Ctl(ctl)) => return ctl.run(),
        None => {}
    }
    let exit_with_parent = cli.exit_with_parent;
    let origin = Origin::new(cli.config.clone(), move || cli.load());
    let started = origin.load().map_err(|problems| problems.to_string()).and_then(|loaded| {
        let config = loaded.config;
        // The ports come first: so a second balancer does not touch the log file of one that already runs.
        let server = Server::bind(config.clone(), origin).map_err(|error| format!("error: {error}\n"))?;
        let log = Log::begin(config.log_format, config.log_level, config.log_file.clone())
            .map_err(|error| format!("error: {error}\n"))?;
        Ok((server, log, loaded.warnings))
    });
    let (server, log, warnings) = match started {
        Ok(started) => started,
        Err(error) => {
            print_error(error);
            return CANNOT_START.into();
        }
    };
    for warning in warnings.lines() {
        tracing::warn!("{warning}");
    }
    let lines = log.lines().clone();
    let status = server.run(log, exit_with_parent);
    lines.flush(LAST_LINES);
    status
}
