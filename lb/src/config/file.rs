//! Splits a TOML file into layers. Unknown keys are errors that name the known ones.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::default_listen::default_listen;
use super::form::Written;
use super::layer::{Layer, Origin};
use super::problems::{Problem, ProblemList};
use super::settings::{self, LISTENER, SECTIONS, Section};
use super::wording::{nearest, shortened};
use super::{aliases, dialect};

/// The content of a file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The settings of the balancer.
    pub(crate) settings: Layer,
    /// The settings of each listener.
    pub(crate) listeners: Vec<Layer>,
    /// The settings of each backend.
    pub(crate) backends: Vec<Layer>,
    /// Whether the file has a section for a backend.
    pub(crate) names_backends: bool,
}

/// A key or a value, with its place.
type Key<'a> = (&'a str, Range<usize>);

impl File {
    /// Splits a file. Entries with errors are omitted and added to `problems`; if the text is not TOML, that
    /// is everything.
    pub(crate) fn read(text: &str, problems: &mut ProblemList) -> Option<Self> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // The meaning of the rest is unknown.
            let shown = super::problems::without_secrets(text);
            match dialect::foreign(&shown) {
                Some(problem) => problems.push(problem),
                None => errors_of_toml(&errors, &shown, problems),
            }
            return None;
        }
        let mut file = Self::default();
        let top = settings::section("").expect("there is a section above all");
        for (key, value) in document.get_ref() {
            let key = (key.get_ref().as_ref(), key.span());
            match settings::section(key.0).filter(|section| !section.name.is_empty()) {
                Some(section) => file.read_section(section, &key, value, problems),
                None => read_setting(top, &key, value, &mut file.settings, problems),
            }
        }
        Some(file)
    }

    fn read_section(
        &mut self,
        section: &'static Section,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        problems: &mut ProblemList,
    ) {
        self.names_backends |= section.name == settings::BACKEND;
        let mut wrong = |is: &str, place: Range<usize>| {
            let what = format!("{} is {is}", key.0);
            problems.push(
                Problem::new(what, format!("write {} above its settings", section.title()))
                    .at_place(Some(place)),
            );
        };
        match (value.get_ref(), section.repeated) {
            (DeValue::Table(table), false) => read_settings(section, table, &mut self.settings, problems),
            (DeValue::Array(entries), true) => {
                for entry in entries {
                    match entry.get_ref() {
                        DeValue::Table(table) => {
                            let mut one = Layer::default();
                            read_settings(section, table, &mut one, problems);
                            let (key, example) = needed(section);
                            if !table.contains_key(key) {
                                let what = format!("a {} has no {key}", section.name);
                                let fix = format!("add {key} = \"{example}\"");
                                problems.push(Problem::new(what, fix).at_place(Some(entry.span())));
                            }
                            match section.name {
                                LISTENER => self.listeners.push(one),
                                _ => self.backends.push(one),
                            }
                        }
                        _ => {
                            let (key, example) = needed(section);
                            let what = format!("a {} must be a separate section", section.name);
                            let fix =
                                format!("write {} and, below it, {key} = \"{example}\"", section.title());
                            problems.push(Problem::new(what, fix).at_place(Some(entry.span())));
                        }
                    }
                }
            }
            (DeValue::Table(_), true) => wrong("a single section, but there may be several", key.1.clone()),
            (DeValue::Array(_), false) => wrong("a list, but only one section is allowed", key.1.clone()),
            _ => wrong("a section", value.span()),
        }
    }
}

/// The key that each section of this name must have, with an example.
fn needed(section: &'static Section) -> (&'static str, &'static str) {
    match section.name {
        LISTENER => ("address", default_listen!()),
        _ => ("url", "http://host:port"),
    }
}

fn read_settings(
    section: &'static Section,
    table: &DeTable<'_>,
    layer: &mut Layer,
    problems: &mut ProblemList,
) {
    for (key, value) in table {
        read_setting(section, &(key.get_ref().as_ref(), key.span()), value, layer, problems);
    }
}

fn read_setting(
    section: &'static Section,
    key: &Key<'_>,
    value: &Spanned<DeValue<'_>>,
    layer: &mut Layer,
    problems: &mut ProblemList,
) {
    match section.setting(key.0) {
        Some(setting) => layer.add(setting, written(value), Origin::File(value.span())),
        None if problems.count() < ProblemList::KEPT => problems.push(unknown(section, key)),
        None => problems.push(unexplained(section, key)),
    }
}

/// An unknown key without a suggestion: to compare a key with all keys takes long, and with so many problems,
/// no user reads the suggestion.
fn unexplained(section: &'static Section, key: &Key<'_>) -> Problem {
    let (name, here) = (shortened(key.0), place(section));
    Problem::new(format!("{name} is not known {here}"), "").at_place(Some(key.1.clone()))
}

/// Where the keys of a section belong.
fn place(section: &'static Section) -> String {
    match section.name {
        "" => "above the sections".to_owned(),
        _ => format!("in {}", section.title()),
    }
}

/// The remedy for an unknown key: a key of another program, or a typing error.
fn unknown(section: &'static Section, key: &Key<'_>) -> Problem {
    let here = place(section);
    let is_top = section.name.is_empty();
    let keys = |section: &'static Section| {
        section.settings.iter().map(|setting| setting.key()).filter(|key| !key.is_empty())
    };
    let sections = || SECTIONS.iter().filter(|other| !other.name.is_empty());
    let word = key.0.replace('-', "_");
    let alias = aliases::find(&word).map(|alias| alias.file).filter(|fix| !fix.is_empty());
    // "backends" in place of "backend" is a typing error, and not a word of another program.
    let alias = alias.filter(|_| settings::section(word.trim_end_matches('s')).is_none());
    let all = || SECTIONS.iter().flat_map(|home| home.settings.iter().map(move |setting| (home, setting)));
    let into = |home: &Section| match home.name {
        "" => "up, above the first section".to_owned(),
        _ => format!("into {}", home.title()),
    };
    let fix = if let Some((home, _)) = all().find(|(_, setting)| setting.key() == word) {
        format!("move {word} {}", into(home))
    } else if let Some((home, setting)) = all().find(|(_, setting)| setting.flag.replace('-', "_") == word) {
        match setting.key() {
            "" => aliases::LISTEN.to_owned(),
            known => format!("move it {} as {known}", into(home)),
        }
    } else if let Some(fix) = alias {
        fix.to_owned()
    } else if let Some(known) = nearest(&word, keys(section)) {
        format!("write {known}")
    } else if let Some(known) = nearest(&word, sections().map(|section| section.name)).filter(|_| is_top) {
        format!("write {}", settings::section(known).map(Section::title).unwrap_or_default())
    } else if let Some((home, known)) = sections()
        .find_map(|home| Some((home, nearest(&word, keys(home)).filter(|known| is_slip(&word, known))?)))
    {
        format!("write {known} in {}", home.title())
    } else {
        format!("known {here}: {}", keys(section).collect::<Vec<_>>().join(", "))
    };
    Problem::new(format!("{} is not known {here}", shortened(key.0)), fix).at_place(Some(key.1.clone()))
}

/// Whether a word differs from another by few letters: at most a third. So a word that is only somewhat
/// similar is not taken as one from another section.
fn is_slip(word: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(word, known) * 3 <= word.chars().count()
}

fn written(value: &Spanned<DeValue<'_>>) -> Written {
    match value.get_ref() {
        DeValue::String(text) => Written::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            Written::Number(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Boolean(on) => Written::Switch(*on),
        DeValue::Array(entries) => {
            Written::List(entries.iter().map(|entry| (written(entry), entry.span())).collect())
        }
        DeValue::Float(_) => Written::Other("a fraction"),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Table(_) => Written::Other("a section"),
    }
}

/// The file breaks the rules of TOML. Each line is reported once: later errors in a line follow from the
/// first one.
fn errors_of_toml(errors: &[toml::de::Error], text: &str, problems: &mut ProblemList) {
    let place = |error: &toml::de::Error| error.span().unwrap_or(text.len()..text.len());
    let mut errors: Vec<_> = errors.iter().map(|error| (place(error), error)).collect();
    errors.sort_by_key(|(place, _)| place.start);
    let mut told = None;
    errors.retain(|(place, _)| {
        let on_one_line =
            |before: usize| !text.get(before..place.start).is_some_and(|part| part.contains('\n'));
        let is_first = !told.is_some_and(on_one_line);
        told = Some(place.start);
        is_first
    });
    // The errors are in the order of the file, so only the first ones are ever shown.
    problems.count_more(errors.len().saturating_sub(ProblemList::KEPT));
    let first = errors.into_iter().take(ProblemList::KEPT);
    problems.extend(first.map(|(place, error)| not_toml(error, text, place)));
}

/// One of these errors.
fn not_toml(error: &toml::de::Error, text: &str, place: Range<usize>) -> Problem {
    if let Some((what, fix)) = dialect::habit(text, &place) {
        return Problem::new(what, fix).at_place(Some(place));
    }
    let (what, expected) = error.message().split_once(", expected ").unwrap_or_else(|| (error.message(), ""));
    let fix = match (what, text.get(place.clone())) {
        ("string values must be quoted", Some("yes" | "Yes" | "on" | "On" | "True")) => {
            "write true".to_owned()
        }
        ("string values must be quoted", Some("no" | "No" | "False")) => "write false".to_owned(),
        ("string values must be quoted", Some(word)) => format!("write \"{word}\""),
        ("duplicate key", _) => "keep one of them".to_owned(),
        (_, _) if expected == "nothing" => "put texts, times, sizes and percentages in quotes".to_owned(),
        _ if expected.is_empty() => "this is not TOML".to_owned(),
        _ => format!("expected {expected}"),
    };
    Problem::new(what, fix).at_place(Some(place))
}
