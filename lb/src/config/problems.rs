//! What is wrong with a configuration, or odd about it, told as a compiler would tell it.

use std::fmt;
use std::ops::Range;

use super::layer::Given;
use super::report::{self, Lines};
use super::settings::SECTIONS;
use crate::shown::shown;

/// Something that is wrong, or odd. Its texts quote files and command lines, and are fit for a terminal (`shown`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub what: String,
    /// What to write instead; in a line that ends with it, it follows a semicolon.
    pub fix: String,
    /// Bytes of the file that it is about, the most telling first; none if it is about flags alone.
    pub places: Vec<Range<usize>>,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        let [what, fix] = [what.into(), fix.into()].map(|text| shown(&text).into_owned());
        Self { what, fix, places: Vec::new() }
    }

    /// It is about what was given there.
    #[must_use]
    pub(crate) fn at<T>(self, given: &Given<T>) -> Self {
        self.at_place(given.place())
    }

    /// It is about these bytes of the file.
    #[must_use]
    pub(crate) fn at_place(mut self, place: impl IntoIterator<Item = Range<usize>>) -> Self {
        self.places.extend(place);
        self
    }

    /// In one sentence.
    pub(crate) fn sentence(&self) -> String {
        if self.fix.is_empty() { self.what.clone() } else { format!("{}; {}", self.what, self.fix) }
    }
}

/// The file that problems are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// What it is called.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
}

impl Source {
    /// The nearest end of a character at or before this byte.
    pub(super) fn floor(&self, byte: usize) -> usize {
        (0..=byte.min(self.text.len())).rev().find(|byte| self.text.is_char_boundary(*byte)).unwrap_or(0)
    }

    /// The part of a place that lies on its first line, and in the text at all.
    pub(super) fn on_one_line(&self, place: &Range<usize>) -> Range<usize> {
        let (start, end) = (self.floor(place.start), self.floor(place.end.max(place.start)));
        let length = self.text[start..end].find(['\n', '\r']).unwrap_or(end - start);
        start..start + length
    }
}

/// All that is wrong with a configuration, or odd about it.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    source: Source,
    warnings: bool,
    list: Vec<Problem>,
}

impl Problems {
    /// Problems that are shown; the others are counted.
    pub const SHOWN: usize = 20;

    /// What is wrong, in the order of the file; what is about flags alone comes first.
    pub(crate) fn errors(source: &Source, list: Vec<Problem>) -> Self {
        Self::new(source, false, list)
    }

    /// What is odd, in the same order.
    pub(crate) fn warnings(source: &Source, list: Vec<Problem>) -> Self {
        Self::new(source, true, list)
    }

    /// A mistake of a command line.
    pub(crate) fn mistake(what: String, fix: String) -> Self {
        Self::errors(&Source::default(), vec![Problem::new(what, fix)])
    }

    fn new(source: &Source, warnings: bool, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.places.first().map(|place| place.start));
        Self { source: source.clone(), warnings, list }
    }

    /// Each of them.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Line and column of a problem, both counted from 1; `None` if it is about flags alone.
    pub fn position(&self, problem: &Problem) -> Option<(usize, usize)> {
        problem.places.first().map(|place| Lines::of(&self.source).position(place.start))
    }

    /// Those that are shown, each in one line, and how many there are besides: for a log.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let lines = Lines::of(&self.source);
        let shown = self.list.iter().take(Self::SHOWN).map(move |problem| match problem.places.first() {
            Some(place) => {
                let (line, column) = lines.position(place.start);
                format!("{}:{line}:{column}: {}", self.source.name, shortened(&problem.sentence()))
            }
            None => shortened(&problem.sentence()),
        });
        shown.chain(self.besides())
    }

    /// How many there are that are not shown; nothing if there are none.
    fn besides(&self) -> Option<String> {
        besides(self.list.len(), Self::SHOWN)
    }
}

/// How many problems there are that are not shown; nothing if there are none.
pub(crate) fn besides(all: usize, shown: usize) -> Option<String> {
    let more = all.checked_sub(shown).filter(|more| *more > 0)?;
    Some(format!("and {} more {}", grouped(more), if more == 1 { "problem" } else { "problems" }))
}

impl fmt::Display for Problems {
    /// With the lines of the file that they are about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = Lines::of(&self.source);
        for (problem, n) in self.list.iter().take(Self::SHOWN).zip(0..) {
            if n > 0 {
                writeln!(f)?;
            }
            report::write(f, problem, self.warnings, &lines)?;
        }
        self.besides().map_or(Ok(()), |besides| writeln!(f, "\n{besides}"))
    }
}

/// A file's text, byte for byte as long and line by line, with asterisks in place of what nobody may see: whatever
/// follows on a line that names a secret, wherever in the file it stands. Secrets are ASCII.
pub(crate) fn without_secrets(text: &str) -> String {
    let all = SECTIONS.iter().flat_map(|section| section.settings);
    let secrets: Vec<_> = all.filter(|setting| setting.is_secret()).map(|setting| setting.key()).collect();
    let hide = |line: &str| {
        let named = secrets.iter().find_map(|secret| line.find(secret));
        // The sign is a colon in YAML and JSON, which a file may be written in by mistake.
        let begin =
            named.and_then(|start| Some(start + line[start..].find(['=', ':'])? + 1)).unwrap_or(line.len());
        let (open, secret) = line.split_at(begin);
        let hidden = |letter: char| if letter.is_ascii_graphic() && letter != '"' { '*' } else { letter };
        open.chars().chain(secret.chars().map(hidden)).collect::<String>()
    };
    text.split('\n').map(hide).collect::<Vec<_>>().join("\n")
}

/// The one of these words that somebody who wrote `text` most likely meant, if it is near enough.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Fewer common letters are no likeness.
    const ALIKE: f64 = 0.8;
    /// What is longer is like no word, and to compare it takes as long as it is.
    const LONG: usize = 64;
    if text.len() > LONG {
        return None;
    }
    let text = text.to_lowercase();
    let likeness = words.map(|word| (strsim::jaro_winkler(&text, word), word));
    likeness
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

/// A text, or as much of it as somebody reads.
pub(crate) fn shortened(text: &str) -> String {
    const LONG: usize = 400;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number as people read it: `4,321`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
