//! `lb`: flags in, balancer runs, exit status out.

use std::process::ExitCode;

use clap::Parser;
use lb::cli::{Cli, LogFormat};
use lb::server::Server;

/// Cannot start: the same status that clap uses for a wrong flag.
const CANNOT_START: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(url) = &cli.check_health {
        return lb::ping::check_health(url);
    }
    let (log_format, exit_with_parent) = (cli.log_format, cli.exit_with_parent);
    let server = match cli.config().and_then(|config| Server::bind(config).map_err(|error| error.to_string()))
    {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return CANNOT_START.into();
        }
    };
    log_to_stderr(log_format);
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
