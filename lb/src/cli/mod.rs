//! The command line of `lb`: flags, which override the file, and the other commands.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use http::Uri;

use crate::check::Summary;
use crate::config::{self, Flags, Loaded, Problems};
use crate::ctl::Ctl;
use crate::exit::{CANNOT_START, print, print_error};
use crate::shown::shown;

mod mistakes;
mod values;

/// An HTTP load balancer.
///
/// It accepts HTTP/1.1 requests and distributes them to backends. A backend that fails gets no requests until
/// it answers pings again. A request that fails at a backend is sent again, there or to another backend, if
/// this cannot execute it twice by accident.
#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    after_long_help = AFTER_HELP,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// A command other than balancing.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file. Flags override its settings. lb.example.toml shows all settings. The file is read
    /// again when it changes
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,

    /// Exit when standard input closes, for supervisors that hold the other end of a pipe
    #[arg(long, hide_short_help = true, help_heading = "For other programs")]
    pub exit_with_parent: bool,

    /// Request this URL of a running balancer, such as http://127.0.0.1:4030/healthz, and exit with 0 if it
    /// is healthy or with 1
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = "For other programs")]
    pub check_health: Option<Uri>,

    #[arg(hide = true)]
    stray: Vec<String>,
}

/// The commands of `lb`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a configuration: show what it means, or all its errors
    ///
    /// Starts nothing. Exits with 0 and shows the meaning, or exits with 2 and shows the errors.
    Check(Check),

    /// Control a running balancer: drain, add or remove backends, change the policy, and more
    ///
    /// The command sends requests to the admin port. Other programs can send the same requests with HTTP and
    /// JSON. The log and the events of the balancer record each change.
    Ctl(Ctl),
}

/// Arguments of `lb check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Configuration file
    file: Option<PathBuf>,

    /// Print the JSON schema of configuration files for editors, and check nothing
    #[arg(long, conflicts_with = "file")]
    schema: bool,

    #[command(flatten)]
    flags: Flags,
}

const AFTER_HELP: &str = "\
Examples:
  lb --backends=http://localhost:3031,http://localhost:3032 --port 3030
  lb --backends=http://10.0.0.1,http://10.0.0.2 --ping-path /healthz --access-log --log-format json
  lb --config lb.toml
  lb check lb.toml
  lb ctl drain 3 --wait 30s

Times are written as 250ms, 10s or 2m, sizes as 64KiB or 1MiB, percentages as 50%.

Observe the balancer:
  GET /state, GET /events, GET /metrics and GET /healthz at the --admin address, or lb ctl state.
  An answer of the balancer itself gives the reason in its body and in a Proxy-Status header
  (RFC 9209).

Change the balancer:
  See lb ctl --help. If the admin port is not on the loopback address, changes need a token:
  admin_token in the file or LB_ADMIN_TOKEN in the environment.

Socket activation:
  A listening socket from a supervisor such as systemd (LISTEN_FDS) replaces --port and --bind.
  The socket stays open between two balancers, so clients wait during a restart and are not
  refused.

Signals:
  SIGHUP            read the configuration again; a configuration with errors changes nothing.
  SIGUSR1           open the log file again, after it was moved.
  SIGUSR2           ignored.
  SIGTERM, SIGINT   stop accepting, finish requests in flight, exit 0; a second signal ends lb at once.

Exit status:
  0 drained, 1 ended with requests in flight, 2 cannot start: a setting is wrong or a port is in use.";

impl Cli {
    /// Reads a command line, with the name of the program first. Prints errors, and texts such as the help.
    ///
    /// # Errors
    /// The exit status if nothing remains to be done.
    pub fn read(args: Vec<OsString>) -> Result<Self, ExitCode> {
        let error = match Self::try_parse_from(&args) {
            Ok(cli) if cli.is_in_order() => return Ok(cli),
            Ok(cli) => {
                // `load` reports the other words that belong to no flag.
                let Some((what, fix)) = values::of_a_switch(&behind_name(&args)) else { return Ok(cli) };
                print_error(Problems::mistake(what, fix));
                return Err(CANNOT_START.into());
            }
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            let _ = error.print();
            return Err(ExitCode::SUCCESS);
        }
        // The quotes in an error are written to a terminal.
        let args: Vec<_> = args.iter().map(|arg| shown(&arg.to_string_lossy()).into_owned()).collect();
        let behind = args.get(1..).unwrap_or_default();
        match values::of_a_switch(behind).or_else(|| mistakes::explain(&error, behind)) {
            Some((what, fix)) => print_error(Problems::mistake(what, fix)),
            // The same error, with control characters in the quotes escaped.
            None => _ = Self::try_parse_from(&args).err().unwrap_or(error).print(),
        }
        Err(CANNOT_START.into())
    }

    /// Whether each argument belongs to a flag, or can be the value that it looks like.
    fn is_in_order(&self) -> bool {
        let is_switch = |path: &PathBuf| path.to_str().is_some_and(|word| config::as_switch(word).is_some());
        match &self.command {
            Some(Command::Check(check)) => !check.file.as_ref().is_some_and(is_switch),
            _ => self.stray.is_empty(),
        }
    }

    /// The settings in the flags.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// The settings of file and flags together.
    ///
    /// # Errors
    /// All errors in the settings.
    pub fn load(&self) -> Result<Loaded, Problems> {
        if !self.stray.is_empty() {
            let config = self.config.as_ref().map(|path| path.display().to_string());
            let (what, fix) = mistakes::stray(&self.stray, config.as_deref(), self.flags.backends());
            return Err(Problems::mistake(what, fix));
        }
        config::load(self.config.as_deref(), &self.flags)
    }
}

/// The arguments after the name of the program, safe for a terminal.
fn behind_name(args: &[OsString]) -> Vec<String> {
    args.iter().skip(1).map(|arg| shown(&arg.to_string_lossy()).into_owned()).collect()
}

impl Check {
    /// The settings of file and flags together.
    ///
    /// # Errors
    /// All errors in the settings.
    pub fn load(&self) -> Result<Loaded, Problems> {
        config::load(self.file.as_deref(), &self.flags)
    }

    /// Prints the meaning of the settings, or their errors.
    pub fn run(&self) -> ExitCode {
        if self.schema {
            return print(format_args!("{:#}\n", config::schema()));
        }
        match self.load() {
            Ok(loaded) => {
                let (summary, warnings) = (Summary(&loaded.config), &loaded.warnings);
                let gap = if warnings.list().is_empty() { "" } else { "\n" };
                print(format_args!("{summary}{gap}{warnings}"))
            }
            Err(problems) => {
                print_error(problems);
                CANNOT_START.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;
    use crate::config::Config;

    const OK: &str = "--backends=http://a:1";

    fn parse(flags: &[&str]) -> Result<Config, String> {
        let cli = Cli::try_parse_from([&["lb"], flags].concat()).map_err(|error| error.to_string())?;
        cli.load().map(|loaded| loaded.config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_seeds_command_line_works_as_written() {
        let backends = "--backends=http://localhost:3031,http://localhost:3032,http://localhost:3033,http://localhost:3034";
        let config = parse(&[backends, "--port", "3030"]).unwrap();
        assert_eq!(config.backends.len(), 4);
        assert_eq!(config.listeners[0].port(), 3030);
        assert_eq!(config.admin.to_string(), "127.0.0.1:4030");
        assert_eq!(
            (config.proxy.retries, config.proxy.retry_delay, config.proxy.attempts),
            (3, Duration::from_millis(10), 3)
        );
    }

    #[test]
    fn bad_flags_name_the_fix() {
        let table: [(&[&str], &str); 13] = [
            (&[], "--backends"),
            (&["--backends="], "name at least one"),
            (&["--backends=localhost:3031"], "write http://localhost:3031"),
            (&["--backends=http://a:1,", "http://b:2"], "separate backends by commas without spaces"),
            (&["--backends=http://a:1,http://a:1"], "list each backend once"),
            (&[OK, "stray"], "see lb --help"),
            (&[OK, "--ping-interval=100ms"], "make the timeout at most as long as the interval"),
            (&[OK, "--ping-interval=5"], "write 5ms or 5s"),
            (&[OK, "--ping-interval=0s"], "a time above zero"),
            (&[OK, "--ping-path=healthz"], "begins with '/'"),
            (&[OK, "--ping-path=/a b"], "has no spaces"),
            (&[OK, "--port=65000"], "add --admin=127.0.0.1:4030"),
            (&[OK, "--attempts=0"], "0 is not in 1..=100"),
        ];
        for (flags, fix) in table {
            let error = parse(flags).expect_err(&format!("{flags:?}"));
            assert!(error.contains(fix), "{flags:?} gives: {error}");
        }
    }

    #[test]
    fn every_flag_says_how_its_value_is_written() {
        use crate::config::form::Form;
        use crate::config::settings::SECTIONS;
        let refused = |flag: &str, value: &str, fix: &str| {
            let args = [OK.to_owned(), format!("--{flag}={value}")];
            let error = parse(&args.each_ref().map(String::as_str)).expect_err(flag);
            assert!(error.contains(&format!("write {fix}")), "--{flag}={value} gives: {error}");
        };
        let settings = SECTIONS.iter().flat_map(|section| section.settings);
        for setting in settings.filter(|setting| !setting.flag.is_empty()) {
            match setting.form {
                Form::Time { .. } => refused(setting.flag, "30", "30ms or 30s"),
                Form::Percent { least, .. } => {
                    refused(setting.flag, &least.to_string(), &format!("{least}%"))
                }
                Form::Size => refused(setting.flag, "5KiB/s", "5KiB"),
                Form::Switch => {
                    refused(setting.flag, "off", "false");
                    refused(setting.flag, "TRUE", "true");
                    let args = ["--".to_owned() + setting.flag, "no".to_owned()];
                    let (_, fix) = values::of_a_switch(&args).unwrap();
                    assert_eq!(fix, format!("write --{}=false", setting.flag));
                }
                Form::Word(_, words) | Form::WordOr(_, words, _) => {
                    for word in words() {
                        let other = if word == word.to_uppercase() {
                            word.to_lowercase()
                        } else {
                            word.to_uppercase()
                        };
                        refused(setting.flag, &other, word);
                    }
                }
                Form::Count { .. } | Form::Text(_) | Form::List(_) | Form::Statuses => {}
            }
        }
    }

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
