//! Mistakes by habit: flags and commands of other programs, and what to write instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::values;
use crate::config::aliases::{self, Instead};
use crate::config::default_listen::DEFAULT;
use crate::config::listen::Guess;
use crate::config::settings::SECTIONS;
use crate::config::wording::nearest;

/// The error, and what to write instead.
pub(super) type Mistake = (String, String);

/// The command that the arguments are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Balance,
    Check,
    Ctl,
}

impl Command {
    fn of(args: &[String]) -> Self {
        match args.first().map(String::as_str) {
            Some("check") => Self::Check,
            Some("ctl") => Self::Ctl,
            _ => Self::Balance,
        }
    }

    /// The command line that shows its help.
    fn help(self) -> &'static str {
        match self {
            Self::Balance => "lb --help",
            Self::Check => "lb check --help",
            Self::Ctl => "lb ctl --help",
        }
    }
}

/// Explains an error of clap if the mistake is a known one; `args` are the arguments after the name of the
/// program.
pub(super) fn explain(error: &clap::Error, args: &[String]) -> Option<Mistake> {
    let command = Command::of(args);
    let Some(ContextValue::String(given)) =
        error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    match error.kind() {
        ErrorKind::UnknownArgument if given.starts_with('-') => {
            let word = args.first().filter(|word| !word.starts_with('-') && command == Command::Balance);
            let words: Vec<_> = args.iter().map(String::as_str).collect();
            word.and_then(|_| of_ctl(&words)).or_else(|| unknown_flag(command, given, args))
        }
        ErrorKind::UnknownArgument if command == Command::Check => Some((
            format!("'{given}' is a second file, and lb check reads one"),
            "name one file, as in lb check lb.toml".to_owned(),
        )),
        ErrorKind::ArgumentConflict => twice(given, args),
        ErrorKind::InvalidSubcommand if command == Command::Ctl => {
            let index = args.iter().rposition(|word| word == given)?;
            let words: Vec<_> = args[index..].iter().map(String::as_str).collect();
            let before: String = args[1..index].iter().map(|word| format!(" {}", quoted(word))).collect();
            of_ctl(&words)
                .or_else(|| nearly_of_ctl(&words))
                .map(|(what, fix)| (what, fix.replace("lb ctl ", &format!("lb ctl{before} "))))
                .or_else(|| {
                    let all = COMMANDS.join(", ");
                    Some((format!("'{given}' is not a command"), format!("write one of {all}")))
                })
        }
        _ => None,
    }
}

/// A flag that is given more than once.
fn twice(given: &str, args: &[String]) -> Option<Mistake> {
    let flag = given.split([' ', '=']).next()?;
    let mut values = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.strip_prefix(flag) {
            Some("") => values.extend(rest.next().map(String::as_str)),
            Some(value) => values.extend(value.strip_prefix('=')),
            None => {}
        }
    }
    let fix = match (values.len(), flag) {
        (0 | 1, _) => return None,
        (_, "--backends") => format!("write --backends={}", values.join(",")),
        _ => "use the flag once".to_owned(),
    };
    Some((format!("{flag} is given {} times", values.len()), fix))
}

/// A flag that does not exist.
fn unknown_flag(command: Command, given: &str, args: &[String]) -> Option<Mistake> {
    let is_it = |arg: &String| match given.strip_prefix("--") {
        Some(_) => arg.split('=').next() == Some(given),
        None => arg.starts_with(given) && !arg.starts_with("--"),
    };
    let index = args.iter().position(is_it)?;
    if let Some(mistake) = values::with_a_hyphen(command, index, args) {
        return Some(mistake);
    }
    let next = args.get(index + 1).map(String::as_str).filter(|next| !next.starts_with('-'));
    let flag = Flag::read(&args[index], next);
    let fix = flag.instead(command);
    let is_short = !given.starts_with("--");
    let fix = fix.or_else(|| is_short.then(|| format!("see {}", command.help())))?;
    Some((format!("'{}' is not known", flag.given()), fix))
}

/// A flag as the user wrote it.
#[derive(Debug)]
struct Flag<'a> {
    /// The flag with its hyphens, up to the equals sign.
    word: &'a str,
    /// The text that is its value.
    value: Option<&'a str>,
    /// Whether an equals sign stands between them.
    sign: bool,
}

impl<'a> Flag<'a> {
    fn read(arg: &'a str, next: Option<&'a str>) -> Self {
        match arg.split_once('=') {
            Some((word, value)) => Self { word, value: Some(value), sign: true },
            None => Self { word: arg, value: next, sign: false },
        }
    }

    /// The flag as an error shows it: of a one-letter flag without the attached value.
    fn given(&self) -> &'a str {
        match self.letter() {
            Some(_) => &self.word[..self.word.char_indices().nth(2).map_or(self.word.len(), |(end, _)| end)],
            None => self.word,
        }
    }

    /// The letter of a one-letter flag; `None` if it is a long flag with one hyphen.
    fn letter(&self) -> Option<char> {
        let word = self.word.strip_prefix('-').filter(|word| !word.starts_with('-'))?;
        (known(word).is_none() || word.len() == 1).then(|| word.chars().next()).flatten()
    }

    /// What to write instead.
    fn instead(&self, command: Command) -> Option<String> {
        if let Some(letter) = self.letter() {
            let attached = self.word.get(1 + letter.len_utf8()..).filter(|attached| !attached.is_empty());
            return Flag { word: self.word, value: attached.or(self.value), sign: false }
                .of_letter(letter, command);
        }
        let word = self.word.trim_start_matches('-').replace('_', "-");
        match command {
            Command::Ctl => match &word[..] {
                "timeout" | "patience" => Some(self.with("wait", "30s")),
                "url" | "address" | "host" | "server" => Some(self.with("admin", "http://127.0.0.1:4030")),
                _ => None,
            },
            Command::Check if matches!(&word[..], "config" | "file") => {
                Some(format!("write lb check {}", self.value.unwrap_or("lb.toml")))
            }
            _ => self.long(&word),
        }
    }

    /// A flag with two hyphens, or with one hyphen in place of two.
    fn long(&self, word: &str) -> Option<String> {
        match known(word) {
            Some(Known::Flag(flag)) => return Some(self.with(flag, "…")),
            Some(Known::Key(key, section)) if aliases::find(key).is_none() => {
                return Some(format!("write {key} in {section} of the file"));
            }
            _ => {}
        }
        match aliases::find(&word.replace('-', "_")).map(|alias| alias.flag) {
            Some(Instead::Words(words)) => Some(words.to_owned()),
            Some(Instead::Flag(flag)) => Some(self.with(flag, "…")),
            Some(Instead::Listen) => {
                let guess = Guess::of(self.value.unwrap_or_default());
                guess
                    .flags()
                    .or_else(|| Guess::default_listen().flags())
                    .map(|flags| format!("write {flags}"))
            }
            None if word.starts_with("tls-") || word.starts_with("ssl-") => {
                match aliases::find("tls")?.flag {
                    Instead::Words(words) => Some(words.to_owned()),
                    _ => None,
                }
            }
            None => None,
        }
    }

    /// One-letter flags of other programs.
    fn of_letter(&self, letter: char, command: Command) -> Option<String> {
        let text = |text: &str| Some(text.to_owned());
        match (command, letter) {
            (Command::Ctl, 'a' | 'u' | 'H') => Some(self.with("admin", "http://127.0.0.1:4030")),
            (Command::Ctl, 'w' | 't') => Some(self.with("wait", "30s")),
            (Command::Ctl, 'j') => text("write --json"),
            (Command::Ctl, _) => None,
            (Command::Check, 'c' | 'f') => {
                Some(format!("write lb check {}", self.value.unwrap_or("lb.toml")))
            }
            (_, 'p') => Some(self.with("port", &DEFAULT.1.to_string())),
            (_, 'c' | 'f') => Some(self.with("config", "lb.toml")),
            (_, 'b') => Some(self.with("backends", "http://localhost:3031,http://localhost:3032")),
            (_, 'w') => Some(self.with("workers", "4")),
            (_, 'a' | 'l') => {
                let guess = Guess::of(self.value.unwrap_or_default());
                guess
                    .flags()
                    .or_else(|| Guess::default_listen().flags())
                    .map(|flags| format!("write {flags}"))
            }
            (_, 'v') => text("write --version, or --log-level debug to see more"),
            (_, 'q') => text("write --log-level error"),
            (_, 't') => text("write lb check lb.toml, which shows what a file means, or its errors"),
            (_, 'd' | 'D') => text(
                "lb stays in the foreground: remove this flag, and run lb under systemd or in a container",
            ),
            (_, 's') => text("write lb ctl reload, or send the process SIGTERM to end it"),
            _ => None,
        }
    }

    /// Another flag with the same value, or with an example if there is no value.
    fn with(&self, flag: &str, example: &str) -> String {
        let sign = if self.sign { '=' } else { ' ' };
        match self.value.unwrap_or(example) {
            "…" => format!("write --{flag}"),
            value => format!("write --{flag}{sign}{}", quoted(value)),
        }
    }
}

/// What a name means as a setting.
enum Known {
    /// A flag.
    Flag(&'static str),
    /// A key that exists only in the file, with its section.
    Key(&'static str, String),
}

/// The setting with this name, written with hyphens or underscores.
fn known(name: &str) -> Option<Known> {
    let (flag, key) = (name.replace('_', "-"), name.replace('-', "_"));
    let others = ["backends", "config", "exit-with-parent", "check-health"];
    let all =
        || SECTIONS.iter().flat_map(|section| section.settings.iter().map(move |setting| (section, setting)));
    let flags =
        others.into_iter().chain(all().map(|(_, setting)| setting.flag)).filter(|flag| !flag.is_empty());
    if let Some(flag) = flags.into_iter().find(|known| **known == *flag) {
        return Some(Known::Flag(flag));
    }
    let (section, setting) = all().find(|(_, setting)| setting.key() == key && !key.is_empty())?;
    match (setting.flag, section.name) {
        ("", "") => None,
        ("", _) => Some(Known::Key(setting.key(), section.title())),
        (flag, _) => Some(Known::Flag(flag)),
    }
}

/// A word, quoted so that a shell takes it as one word.
fn quoted(word: &str) -> String {
    match word.contains(|letter: char| letter.is_whitespace() || "'\"\\$&|;<>()*?#`".contains(letter)) {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => word.to_owned(),
    }
}

/// The commands of `lb ctl`.
const COMMANDS: [&str; 11] =
    ["drain", "ready", "maintenance", "weight", "add", "remove", "policy", "reload", "reset", "log", "state"];

/// A command of `lb ctl`, under its own or another name: the words to write instead.
fn of_ctl(words: &[&str]) -> Option<Mistake> {
    const ENDS: &str = "send SIGTERM to the process: it finishes requests in flight and ends; its supervisor may start it again";
    let (word, rest) = words.split_first()?;
    let rest: String = rest.iter().map(|word| format!(" {}", quoted(word))).collect();
    let flags = words.iter().position(|word| word.starts_with("--")).unwrap_or(words.len());
    let flags: String = words[flags..].iter().map(|word| format!(" {}", quoted(word))).collect();
    let lower = word.to_lowercase();
    let fix = match &lower[..] {
        command if COMMANDS.contains(&command) => format!("write lb ctl {command}{rest}"),
        "status" | "show" | "list" | "ls" | "info" | "stats" | "backends" | "ps" => {
            format!("write lb ctl state{flags}")
        }
        "enable" | "undrain" | "resume" | "up" => format!("write lb ctl ready{rest}"),
        "disable" | "down" | "pause" | "out" => {
            format!(
                "write lb ctl drain{rest} to let it finish, or lb ctl maintenance{rest} to stop its pings as well"
            )
        }
        "rm" | "del" | "delete" => format!("write lb ctl remove{rest}"),
        "set-weight" => format!("write lb ctl weight{rest}"),
        "stop" | "quit" | "shutdown" | "kill" | "restart" | "exit" => ENDS.to_owned(),
        _ => return None,
    };
    Some((format!("'{word}' is not a command"), fix))
}

/// A command of `lb ctl` with a typing error.
fn nearly_of_ctl(words: &[&str]) -> Option<Mistake> {
    let (word, rest) = words.split_first()?;
    let command = nearest(word, COMMANDS.into_iter())?;
    let (what, fix) = of_ctl(&[&[command], rest].concat())?;
    Some((what.replace(command, word), fix))
}

/// Words that belong to no flag; `config` and `backends` are the values of those flags.
pub(super) fn stray(words: &[String], config: Option<&str>, backends: Option<&str>) -> Mistake {
    let all: Vec<_> = words.iter().map(String::as_str).collect();
    let word = all.first().copied().unwrap_or_default();
    let no_command = || format!("'{word}' is not a command");
    let file = all.get(1).copied().or(config).unwrap_or("lb.toml");
    let is_url = |word: &&str| word.contains("://") || (word.contains(':') && !word.starts_with(':'));
    let listed = backends.is_some_and(|backends| backends.contains("://"));
    let lower = word.to_lowercase();
    match &lower[..] {
        "start" | "run" | "serve" | "balance" | "launch" | "daemon" | "proxy" | "up" => {
            let rest = match (all.get(1).copied().or(config), backends) {
                (None, Some(backends)) => format!("--backends={}", quoted(backends)),
                (file, _) => format!("--config {}", quoted(file.unwrap_or("lb.toml"))),
            };
            (no_command(), format!("lb needs no command to balance: write lb {rest}"))
        }
        "validate" | "test" | "configtest" | "lint" | "verify" | "chekc" | "chck" | "cehck" => {
            (no_command(), format!("write lb check {}", quoted(file)))
        }
        "check" | "ctl" if word != lower => {
            let rest: String = all.iter().skip(1).map(|word| format!(" {}", quoted(word))).collect();
            (no_command(), format!("write lb {lower}{rest}"))
        }
        "check" | "ctl" => {
            (format!("'{word}' must be the first argument"), format!("write lb {word}, and then its flags"))
        }
        "help" | "version" => (no_command(), format!("write lb --{lower}")),
        _ if is_url(&word) || backends.is_some_and(|backends| !listed && !backends.contains(':')) => {
            several_backends(&all, backends)
        }
        _ if word.parse::<u16>().is_ok() => {
            (format!("'{word}' belongs to no flag"), format!("write --port {word} if it is the port"))
        }
        _ if word.contains(['/', '\\'])
            || [".toml", ".conf", ".cfg", ".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end)) =>
        {
            (format!("'{word}' belongs to no flag"), format!("write --config {}", quoted(word)))
        }
        _ => of_ctl(&all)
            .unwrap_or_else(|| (format!("'{word}' belongs to no flag"), "see lb --help".to_owned())),
    }
}

/// Backends with spaces between them, or without their flag.
fn several_backends(words: &[&str], backends: Option<&str>) -> Mistake {
    let with_scheme =
        |word: &str| if word.contains("://") { word.to_owned() } else { format!("http://{word}") };
    let all = backends.into_iter().flat_map(|backends| backends.split(',')).chain(words.iter().copied());
    let all = all.map(|word| word.trim_matches([',', ' '])).filter(|word| !word.is_empty());
    let list = all.map(with_scheme).collect::<Vec<_>>().join(",");
    let what = match backends {
        Some(_) => format!("'{}' belongs to no flag", words.join(" ")),
        None => format!("the flag of '{}' is missing", words.join(" ")),
    };
    (what, format!("separate backends by commas without spaces: write --backends={}", quoted(&list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_a_shell_would_take_apart_is_quoted() {
        let table =
            [("80", "80"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$HOME", "'$HOME'"), ("a,b", "a,b")];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_shown() {
        let flag = Flag::read("--admin-token=0123456789abcdef", None);
        let fix = flag.instead(Command::Balance).unwrap();
        assert!(!fix.contains("0123") && !flag.given().contains("0123"), "{fix}");
    }

    #[test]
    fn unknown_words_are_left_to_clap() {
        for arg in ["--frobnicate", "--fro=1"] {
            assert_eq!(Flag::read(arg, None).instead(Command::Balance), None, "{arg}");
        }
    }
}
