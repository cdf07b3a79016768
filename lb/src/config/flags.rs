//! The settings as flags, and the secrets as environment variables. Both come from the table, so a flag and a
//! key of the file always mean the same.

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::form::{Form, Written};
use super::layer::{Layer, Origin};
use super::problems::{Problem, ProblemList};
use super::settings::{self, BACKEND, SECTIONS, Section, Setting};
use super::{backends, listen};

/// The settings from the command line and from the environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    settings: Layer,
    backends: Option<String>,
    has_socket: bool,
}

impl Flags {
    /// The settings of the balancer.
    pub(super) fn settings(&self) -> Layer {
        self.settings.clone()
    }

    /// Whether the process got a socket to listen on.
    pub(super) fn has_socket(&self) -> bool {
        self.has_socket
    }

    /// The list of backends, if there is one.
    pub(crate) fn backends(&self) -> Option<&str> {
        self.backends.as_deref()
    }
}

/// The variable with which systemd passes sockets: `sd_listen_fds(3)`.
const SOCKETS: &str = "LISTEN_FDS";

/// The backends of `--backends`, one layer for each.
pub(super) fn backends(list: &str, problems: &mut ProblemList) -> Vec<Layer> {
    let url =
        settings::section(BACKEND).and_then(|section| section.setting("url")).expect("backends have a url");
    let entries = backends::entries(list).unwrap_or_else(|backends::BadAddress { what, fix }| {
        problems.push(Problem::new(what, fix));
        Vec::new()
    });
    let layer = |entry: &str| {
        let mut layer = Layer::default();
        layer.add(url, Written::Plain(entry.to_owned()), Origin::Flag("backends"));
        layer
    };
    entries.into_iter().map(layer).collect()
}

fn with_flags() -> impl Iterator<Item = (&'static Section, &'static Setting)> {
    let all =
        SECTIONS.iter().flat_map(|section| section.settings.iter().map(move |setting| (section, setting)));
    all.filter(|(_, setting)| !setting.flag.is_empty())
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let backends = Arg::new("backends")
            .long("backends")
            .value_name("URLS")
            .allow_hyphen_values(true)
            .help("The backends, separated by commas without spaces: http://localhost:3031,http://localhost:3032");
        command.arg(backends).args(with_flags().map(|(section, setting)| arg(section, setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self { backends: matches.get_one::<String>("backends").cloned(), ..Self::default() };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (_, setting) in with_flags() {
            if matches.value_source(setting.flag) == Some(ValueSource::CommandLine)
                && let Some(text) = matches.get_one::<String>(setting.flag)
            {
                self.settings.add(setting, Written::Plain(text.clone()), Origin::Flag(setting.flag));
            }
        }
        // Read now, because the variable is removed when the socket is taken.
        self.has_socket = std::env::var_os(SOCKETS).is_some();
        let all = SECTIONS.iter().flat_map(|section| section.settings);
        for setting in all.filter(|setting| !setting.variable.is_empty()) {
            // An empty variable means that the user wants no value.
            if let Some(text) = std::env::var(setting.variable).ok().filter(|text| !text.is_empty()) {
                self.settings.add(setting, Written::Plain(text), Origin::Variable(setting.variable));
            }
        }
        Ok(())
    }
}

fn arg(section: &Section, setting: &'static Setting) -> Arg {
    let help = match (setting.form, setting.default) {
        (Form::Switch, _) | (_, "") => setting.help.to_owned(),
        (Form::Word(_, words) | Form::WordOr(_, words, _), default) => {
            format!("{} [default: {default}] [possible values: {}]", setting.help, words().join(", "))
        }
        (_, default) => format!("{} [default: {default}]", setting.help),
    };
    let arg = Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.form.value_name())
        .value_parser(parser(setting))
        .action(ArgAction::Set)
        .help(help);
    let arg = match setting.form {
        // The flag without a value switches on a setting that is off in the file.
        Form::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    };
    if section.heading.is_empty() { arg } else { arg.help_heading(section.heading) }
}

/// A parser that refuses wrong values and keeps right ones as text.
fn parser(setting: &'static Setting) -> ValueParser {
    let read = move |text: &str| -> Result<String, String> {
        match ValueForm::of(setting).refuses(text) {
            Some((is, fix)) => Err(format!("{text} is {is}; {fix}")),
            None => Ok(text.to_owned()),
        }
    };
    ValueParser::from(read)
}

/// How a value is written on a command line, and the error for a wrong text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueForm {
    form: Form,
    setting: Option<&'static Setting>,
}

impl ValueForm {
    /// A time, which may be zero.
    pub(crate) const TIME: Self = Self { form: Form::Time { zero: true }, setting: None };

    fn of(setting: &'static Setting) -> Self {
        Self { form: setting.form, setting: Some(setting) }
    }

    /// The form of the value of a flag, by its name without hyphens.
    pub(crate) fn of_flag(flag: &str) -> Option<Self> {
        with_flags().find(|(_, setting)| setting.flag == flag).map(|(_, setting)| Self::of(setting))
    }

    /// The form of the value of a key of the file.
    pub(crate) fn of_key(section: &str, key: &str) -> Option<Self> {
        settings::section(section)?.setting(key).map(Self::of)
    }

    /// Whether the value is yes or no.
    pub(crate) fn is_switch(self) -> bool {
        matches!(self.form, Form::Switch)
    }

    /// The error in a text and what to write instead; `None` if the text is right.
    pub(crate) fn refuses(self, text: &str) -> Option<(String, String)> {
        let setting = self.setting;
        if text == "off" && setting.is_some_and(Setting::has_off) {
            return None;
        }
        let wrong = self.form.read(&Written::Plain(text.to_owned())).err()?;
        let is_port = setting.is_some_and(|setting| setting.flag == "port");
        let guess = if is_port { listen::instead_of_port(text) } else { None };
        let own = setting.map(|setting| setting.fix.to_owned()).filter(|fix| !fix.is_empty());
        Some((wrong.is, guess.or(own).unwrap_or(wrong.fix)))
    }
}
