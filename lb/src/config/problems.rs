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

/// Problems as they are found. The first ones of the file are kept, and the others are counted, so that a
/// file in which every line is wrong takes no more memory than one with a few problems.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    list: Vec<Problem>,
    count: usize,
}

impl Found {
    /// Problems that are kept. More of them are never shown.
    pub(crate) const KEPT: usize = 1000;

    /// Adds one.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
        self.count += 1;
        if self.list.len() > 2 * Self::KEPT {
            in_order(&mut self.list);
            self.list.truncate(Self::KEPT);
        }
    }

    /// Counts problems that come after those that are kept.
    pub(crate) fn count_more(&mut self, more: usize) {
        self.count += more;
    }

    /// How many there are, those that are only counted included.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Those that are kept.
    pub(crate) fn kept(&self) -> &[Problem] {
        &self.list
    }
}

impl Extend<Problem> for Found {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl From<Problem> for Found {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], count: 1 }
    }
}

/// Puts problems in the order of the file; what is about flags alone comes first.
fn in_order(list: &mut [Problem]) {
    list.sort_by_key(|problem| problem.places.first().map(|place| place.start));
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
    /// The first ones, in the order of the file.
    list: Vec<Problem>,
    /// How many there are.
    count: usize,
    /// Whether there may be more, because only the beginning of the file was looked at.
    in_part: bool,
}

impl Problems {
    /// Problems that are shown; the others are counted.
    pub const SHOWN: usize = 20;

    /// What is wrong, in the order of the file; what is about flags alone comes first.
    pub(crate) fn errors(source: &Source, found: impl Into<Found>) -> Self {
        Self::new(source, false, found.into())
    }

    /// What is wrong with the beginning of a file, whose rest was not looked at.
    pub(crate) fn errors_in_part(source: &Source, found: impl Into<Found>) -> Self {
        Self { in_part: true, ..Self::errors(source, found) }
    }

    /// What is odd, in the same order.
    pub(crate) fn warnings(source: &Source, found: impl Into<Found>) -> Self {
        Self::new(source, true, found.into())
    }

    /// A mistake of a command line.
    pub(crate) fn mistake(what: String, fix: String) -> Self {
        Self::errors(&Source::default(), Problem::new(what, fix))
    }

    fn new(source: &Source, warnings: bool, Found { mut list, count }: Found) -> Self {
        in_order(&mut list);
        list.truncate(Found::KEPT);
        Self { source: source.clone(), warnings, list, count, in_part: false }
    }

    /// Each of them; of very many, the first ones.
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
        besides(self.count, Self::SHOWN, self.in_part)
    }
}

/// How many problems there are that are not shown, or at least how many; nothing if there are none.
pub(crate) fn besides(all: usize, shown: usize, at_least: bool) -> Option<String> {
    let more = all.checked_sub(shown).filter(|more| *more > 0)?;
    let at_least = if at_least { "at least " } else { "" };
    Some(format!("and {at_least}{} more {}", grouped(more), if more == 1 { "problem" } else { "problems" }))
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
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let named = secrets.iter().find_map(|secret| line.find(secret));
        // The sign is a colon in YAML and JSON, which a file may be written in by mistake.
        let begin =
            named.and_then(|start| Some(start + line[start..].find(['=', ':'])? + 1)).unwrap_or(line.len());
        let (open, secret) = line.split_at(begin);
        let hidden = |letter: char| if letter.is_ascii_graphic() && letter != '"' { '*' } else { letter };
        shown.push_str(open);
        shown.extend(secret.chars().map(hidden));
    }
    shown
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
