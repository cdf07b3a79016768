//! `lb`: settings in, balancer runs, exit status out.

use std::process::ExitCode;

use clap::Parser;
use lb::cli::{CANNOT_START, Cli, Command};
use lb::config::LogFormat;
use lb::control::Origin;
use lb::server::Server;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(url) = &cli.check_health {
        return lb::ping::check_health(url);
    }
    if let Some(Command::Check(check)) = &cli.command {
        return check.run();
    }
    let exit_with_parent = cli.exit_with_parent;
    let origin = Origin::new(cli.config.clone(), move || cli.load());
    let started = origin.load().map_err(|problems| problems.to_string()).and_then(|loaded| {
        let format = loaded.config.log_format;
        let server = Server::bind(loaded.config, origin).map_err(|error| format!("error: {error}\n"))?;
        Ok((server, format, loaded.warnings))
    });
    let (server, format, warnings) = match started {
        Ok(started) => started,
        Err(error) => {
            eprint!("{error}");
            return CANNOT_START.into();
        }
    };
    log_to_stderr(format);
    for warning in warnings.lines() {
        tracing::warn!("{warning}");
    }
    server.run(exit_with_parent)
}

fn log_to_stderr(format: LogFormat) {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            log.with_target(false).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init()
        }
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
