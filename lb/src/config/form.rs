//! How each setting is written: times, sizes, counts, percentages, switches and words, in the file and on the
//! command line.

use std::time::Duration;

use bytesize::ByteSize;

use super::aliases;
use super::wording::nearest;
use crate::proxy::message::key::NotAKey;
use crate::statuses::Statuses;

/// The form of a setting. The texts in some forms are the name of the value in the help, such as `PATH`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A time such as `250ms`.
    Time {
        /// Whether it may be zero.
        zero: bool,
    },
    /// Bytes, such as `64KiB`.
    Size,
    /// A whole number.
    Count {
        /// The smallest value.
        least: u64,
        /// The largest value.
        most: u64,
    },
    /// A percentage such as `50%`.
    Percent {
        /// The smallest value.
        least: u32,
        /// The largest value.
        most: u32,
    },
    /// Yes or no.
    Switch,
    /// One of these words.
    Word(&'static str, fn() -> Vec<&'static str>),
    /// One of these words, or one of the further ones, which no help and no error lists.
    WordOr(&'static str, fn() -> Vec<&'static str>, fn() -> Vec<&'static str>),
    /// Any text; the code that uses it checks it.
    Text(&'static str),
    /// A list of texts.
    List(&'static str),
    /// Status codes and ranges of them.
    Statuses,
}

/// The value of a setting as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    /// A value on the command line, where everything is text.
    Plain(String),
    /// A text in quotes.
    Text(String),
    /// A whole number; `None` if it is too large for any setting.
    Number(Option<i128>),
    /// `true` or `false`.
    Switch(bool),
    /// A list of values, with their places in the file.
    List(Vec<(Self, std::ops::Range<usize>)>),
    /// Another kind of value, which no setting has: its name, with an article.
    Other(&'static str),
}

/// The value of a setting after parsing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Time(Duration),
    /// A count, bytes, or percent.
    Number(u64),
    Switch(bool),
    Text(String),
    List(Vec<String>),
}

/// The error in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The error, as the end of "5 is …".
    pub(crate) is: String,
    /// What to write instead.
    pub(crate) fix: String,
}

impl Wrong {
    fn new(is: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { is: is.into(), fix: fix.into() }
    }
}

impl From<String> for Wrong {
    /// A value whose error needs no words, and what to write instead.
    fn from(fix: String) -> Self {
        Self { is: String::new(), fix }
    }
}

impl From<NotAKey> for Wrong {
    fn from(NotAKey { remedy }: NotAKey) -> Self {
        Self::new("", remedy)
    }
}

impl Form {
    /// The name of the value in the help; empty for a switch.
    pub(crate) fn value_name(self) -> &'static str {
        match self {
            Self::Time { .. } => "TIME",
            Self::Size => "SIZE",
            Self::Count { .. } => "N",
            Self::Percent { .. } => "PERCENT",
            Self::Switch => "BOOL",
            Self::Word(name, _) | Self::WordOr(name, ..) | Self::Text(name) | Self::List(name) => name,
            Self::Statuses => "STATUSES",
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// The error in the value.
    pub(crate) fn read(self, written: &Written) -> Result<Value, Wrong> {
        match self {
            Self::Time { zero } => self.read_time(zero, written).map(Value::Time),
            Self::Size => self.read_size(written).map(Value::Number),
            Self::Count { least, most } => self.read_count(least, most, written).map(Value::Number),
            Self::Percent { least, most } => self.read_percent(least, most, written).map(Value::Number),
            Self::Switch => self.read_switch(written).map(Value::Switch),
            Self::Word(_, words) => self.read_word(&words(), &[], written).map(Value::Text),
            Self::WordOr(_, words, more) => self.read_word(&words(), &more(), written).map(Value::Text),
            Self::Text(_) => self.text(written).map(|text| Value::Text(text.to_owned())),
            Self::List(_) => self.read_list(written).map(Value::List),
            Self::Statuses => self.read_statuses(written).map(Value::List),
        }
    }

    /// An example of the form, with quotes if it is for the file.
    fn example(self, quotes: bool) -> String {
        let words = match self {
            Self::Time { .. } => {
                let [ms, s, m] = ["250ms", "10s", "2m"].map(|time| quoted(time, quotes));
                format!("it as {ms}, {s} or {m}")
            }
            Self::Size => ["64KiB", "1MiB"].map(|size| quoted(size, quotes)).join(" or "),
            Self::Count { least, most } => format!("{least} to {most}"),
            Self::Percent { least, most } => {
                format!("{} to {}", quoted(&format!("{least}%"), quotes), quoted(&format!("{most}%"), quotes))
            }
            Self::Switch => "true or false".to_owned(),
            Self::Word(_, words) | Self::WordOr(_, words, _) => {
                let words: Vec<_> = words().into_iter().map(|word| quoted(word, quotes)).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Text("IP:PORT") => "IP:PORT in quotes, such as \"127.0.0.1:8080\"".to_owned(),
            Self::Text("URL") => "one address in quotes, such as \"http://localhost:3031\"".to_owned(),
            Self::Text(_) => "one text in quotes".to_owned(),
            Self::List(_) => "it as [\"…\", \"…\"]".to_owned(),
            Self::Statuses => {
                let several =
                    if quotes { "\"200-399\" or [200, \"300-399\"]" } else { "200-399 or 200,300-399" };
                format!("a status code between 100 and 599, such as 200, or several: {several}")
            }
        };
        format!("write {words}")
    }

    /// The text, for forms that are texts.
    fn text(self, written: &Written) -> Result<&str, Wrong> {
        match written {
            Written::Plain(text) | Written::Text(text) => Ok(text),
            other => Err(Wrong::new(other.kind(), self.example(true))),
        }
    }

    fn read_time(self, zero: bool, written: &Written) -> Result<Duration, Wrong> {
        let quotes = written.is_in_file();
        let unitless = match written {
            Written::Number(Some(number)) => Some(*number),
            Written::Plain(text) | Written::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        match unitless {
            Some(0) if zero => return Ok(Duration::ZERO),
            Some(n @ 1..) => {
                let with = |unit| quoted(&format!("{n}{unit}"), quotes);
                return Err(Wrong::new("without a unit", format!("write {} or {}", with("ms"), with("s"))));
            }
            _ => {}
        }
        match humantime::parse_duration(self.text(written)?) {
            Ok(Duration::ZERO) if !zero => {
                let fix = format!("write a time above zero, such as {}", quoted("250ms", quotes));
                Err(Wrong::new("too short", fix))
            }
            Ok(time) if time <= LONGEST => Ok(time),
            Ok(_) => Err(Wrong::new("too long", format!("write at most {}", quoted("365d", quotes)))),
            Err(_) => Err(Wrong::new("not a time", self.example(quotes))),
        }
    }

    fn read_size(self, written: &Written) -> Result<u64, Wrong> {
        let quotes = written.is_in_file();
        let wrong = || Wrong::new("not a size", self.example(quotes));
        if let Written::Number(Some(number)) = written {
            return u64::try_from(*number).map_err(|_| wrong());
        }
        let text = self.text(written)?;
        let size = |text: &str| text.parse::<ByteSize>().ok();
        size(text).map(|size| size.as_u64()).ok_or_else(|| {
            // A rate is written as a size: all rates are per second.
            let bare = ["/s", "/sec", "ps"].into_iter().find_map(|second| text.strip_suffix(second));
            let bare = bare.filter(|bare| size(bare).is_some());
            bare.map_or_else(wrong, |bare| {
                Wrong::new("not a size", format!("write {}", quoted(bare, quotes)))
            })
        })
    }

    fn read_count(self, least: u64, most: u64, written: &Written) -> Result<u64, Wrong> {
        let number = match written {
            Written::Number(number) => *number,
            Written::Plain(text) => text.parse().ok(),
            Written::Text(text) if text.parse::<i128>().is_ok() => {
                return Err(Wrong::new("a text", format!("write {text}, without the quotes")));
            }
            other => return Err(Wrong::new(other.kind(), self.example(true))),
        };
        let within =
            number.and_then(|number| u64::try_from(number).ok()).filter(|n| (least..=most).contains(n));
        within.ok_or_else(|| Wrong::new(format!("not in {least}..={most}"), self.example(false)))
    }

    fn read_percent(self, least: u32, most: u32, written: &Written) -> Result<u64, Wrong> {
        let quotes = written.is_in_file();
        if let Written::Number(Some(number @ 0..)) = written {
            return Err(Wrong::new("without its sign", format!("write \"{number}%\"")));
        }
        let text = self.text(written)?;
        let Some(digits) = text.strip_suffix('%') else {
            return Err(match text.parse::<u32>() {
                Ok(number) => {
                    let fix = format!("write {}", quoted(&format!("{number}%"), quotes));
                    Wrong::new("without its sign", fix)
                }
                Err(_) => Wrong::new("not a percentage", self.example(quotes)),
            });
        };
        let within =
            digits.trim_end().parse().ok().filter(|n| (u64::from(least)..=u64::from(most)).contains(n));
        within.ok_or_else(|| Wrong::new(format!("not in {least}%..={most}%"), self.example(quotes)))
    }

    fn read_switch(self, written: &Written) -> Result<bool, Wrong> {
        match written {
            Written::Switch(on) => Ok(*on),
            Written::Plain(text) if text.parse::<bool>().is_ok() => Ok(text == "true"),
            Written::Text(text) if text.parse::<bool>().is_ok() => {
                Err(Wrong::new("a text", format!("write {text}, without the quotes")))
            }
            other => {
                let text = match other {
                    Written::Plain(text) | Written::Text(text) => text,
                    _ => "",
                };
                let fix = as_switch(text).map_or_else(|| self.example(true), |on| format!("write {on}"));
                Err(Wrong::new(other.kind(), fix))
            }
        }
    }

    fn read_word(self, words: &[&str], more: &[&str], written: &Written) -> Result<String, Wrong> {
        let text = self.text(written)?;
        if words.contains(&text) || more.contains(&text) {
            return Ok(text.to_owned());
        }
        let quotes = written.is_in_file();
        let same = words.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
        let meant =
            same.or_else(|| aliases::value(text, words)).or_else(|| nearest(text, words.iter().copied()));
        let fix = match meant {
            Some(word) => format!(
                "write {}; {}",
                quoted(word, quotes),
                self.example(quotes).replacen("write", "it may be", 1)
            ),
            None => self.example(quotes),
        };
        Err(Wrong::new("not known", fix))
    }

    /// Status codes and ranges: one or several, on the command line separated by commas.
    fn read_statuses(self, written: &Written) -> Result<Vec<String>, Wrong> {
        let wrong = |kind| Wrong::new(kind, self.example(written.is_in_file()));
        let one = |entry: &Written| match entry {
            Written::Number(Some(number)) => Ok(number.to_string()),
            Written::Plain(text) | Written::Text(text) => Ok(text.clone()),
            other => Err(wrong(other.kind())),
        };
        let texts = match written {
            Written::List(entries) => {
                entries.iter().map(|(entry, _)| one(entry)).collect::<Result<_, _>>()?
            }
            written => one(written)?.split(',').map(str::to_owned).collect::<Vec<_>>(),
        };
        match (Statuses::read(&texts), written) {
            (Some(_), _) => Ok(texts),
            (None, Written::Number(_)) => {
                let fix = "write a status code between 100 and 599, such as 200";
                Err(Wrong::new("not in 100..=599", fix))
            }
            (None, _) => Err(wrong("not a status code")),
        }
    }

    /// A list of texts; on the command line they are separated by commas.
    fn read_list(self, written: &Written) -> Result<Vec<String>, Wrong> {
        match written {
            Written::Plain(text) if text.is_empty() => Ok(Vec::new()),
            Written::Plain(text) => Ok(text.split(',').map(str::to_owned).collect()),
            // An entry that is not a text becomes empty, so that the code that knows the right values refuses
            // it with the others.
            Written::List(entries) => Ok(entries
                .iter()
                .map(|(entry, _)| match entry {
                    Written::Text(text) => text.clone(),
                    Written::Number(Some(number)) => number.to_string(),
                    _ => String::new(),
                })
                .collect()),
            Written::Text(text) => Err(Wrong::new("a text", format!("write [\"{text}\"]"))),
            other => Err(Wrong::new(other.kind(), self.example(true))),
        }
    }
}

/// No longer time is useful, and clocks cannot count without limit.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Written {
    fn is_in_file(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// The kind of the value, with an article.
    fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) | Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Switch(_) => "a switch",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}

/// The meaning of a word for yes or no, in any configuration language.
pub(crate) fn as_switch(word: &str) -> Option<bool> {
    match &word.to_ascii_lowercase()[..] {
        "true" | "on" | "yes" | "y" | "1" | "enable" | "enabled" => Some(true),
        "false" | "off" | "no" | "n" | "0" | "disable" | "disabled" => Some(false),
        _ => None,
    }
}

fn quoted(text: &str, quotes: bool) -> String {
    if quotes { format!("\"{text}\"") } else { text.to_owned() }
}
