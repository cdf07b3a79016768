//! One error or warning, and the file that it is about.

use std::ops::Range;

use super::layer::Given;
use crate::shown::shown;

/// An error or a warning. Its texts quote files and command lines, and are safe for a terminal (`shown`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The description.
    pub what: String,
    /// What to write instead; on one line, it follows the description and a semicolon.
    pub fix: String,
    /// Bytes of the file that the problem is about, the most useful first; empty if it is only about flags.
    pub places: Vec<Range<usize>>,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        let [what, fix] = [what.into(), fix.into()].map(|text| shown(&text).into_owned());
        Self { what, fix, places: Vec::new() }
    }

    /// Adds the place of a given setting.
    #[must_use]
    pub(crate) fn at<T>(self, given: &Given<T>) -> Self {
        self.at_place(given.place())
    }

    /// Adds these bytes of the file.
    #[must_use]
    pub(crate) fn at_place(mut self, place: impl IntoIterator<Item = Range<usize>>) -> Self {
        self.places.extend(place);
        self
    }

    /// The problem in one sentence.
    pub(crate) fn sentence(&self) -> String {
        if self.fix.is_empty() { self.what.clone() } else { format!("{}; {}", self.what, self.fix) }
    }
}

/// The file that problems are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// The name of the file.
    pub(crate) name: String,
    /// The content of the file.
    pub(crate) text: String,
}

impl Source {
    /// The last character boundary at or before this byte.
    pub(super) fn floor(&self, byte: usize) -> usize {
        (0..=byte.min(self.text.len())).rev().find(|byte| self.text.is_char_boundary(*byte)).unwrap_or(0)
    }

    /// The part of a place that lies on its first line and within the text.
    pub(super) fn on_one_line(&self, place: &Range<usize>) -> Range<usize> {
        let (start, end) = (self.floor(place.start), self.floor(place.end.max(place.start)));
        let length = self.text[start..end].find(['\n', '\r']).unwrap_or(end - start);
        start..start + length
    }
}
