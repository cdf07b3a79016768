//! Shows one problem, with the lines of the file that it is about. The cost does not depend on the length of
//! the file.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::problem::{Problem, Source};
use super::wording::shortened;
use crate::shown::in_place;

/// Limit of places of one problem that are shown.
const PLACES: usize = 10;

/// Places with a larger distance, in bytes, are shown separately.
const APART: usize = 8192;

/// A longer line, in bytes, is not shown.
const LONG_LINE: usize = 1000;

/// A file, and where its lines begin.
pub(super) struct Lines<'a> {
    source: &'a Source,
    /// The file, safe for a terminal; bytes and lines have the same places as in the file.
    text: String,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds all lines, once for all problems.
    pub(super) fn of(source: &'a Source) -> Self {
        let after = source.text.match_indices('\n').map(|(newline, _)| newline + 1);
        let starts = std::iter::once(0).chain(after).collect();
        Self { source, text: in_place(&source.text), starts }
    }

    /// The line of a byte, counted from 0.
    fn line(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    pub(super) fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.source.floor(byte);
        let line = self.line(byte);
        (line + 1, self.source.text[self.starts[line]..byte].chars().count() + 1)
    }

    /// The end of a line, without its line feed.
    fn end(&self, line: usize) -> usize {
        self.starts.get(line + 1).map_or(self.source.text.len(), |next| next - 1)
    }
}

/// Shows a problem with its lines, or only with its place if the lines are too long.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    problem: &Problem,
    warning: bool,
    lines: &Lines<'_>,
) -> fmt::Result {
    let word = if warning { "warning" } else { "error" };
    let Some(first) = problem.places.first() else {
        return writeln!(f, "{word}: {}", shortened(&problem.sentence()));
    };
    let mut places: Vec<_> = (0..).zip(problem.places.iter().take(PLACES)).collect();
    places.sort_by_key(|(_, place)| place.start);
    let line_of = |place: &Range<usize>| lines.line(lines.source.floor(place.start));
    let is_long = |line: usize| lines.end(line) - lines.starts[line] > LONG_LINE;
    if places.iter().any(|(_, place)| is_long(line_of(place))) {
        let (line, column) = lines.position(first.start);
        let sentence = shortened(&problem.sentence());
        return writeln!(f, "{word}: {sentence}\n --> {}:{line}:{column}", lines.source.name);
    }
    let (what, fix) = (shortened(&problem.what), shortened(&problem.fix));
    // Places that are near to each other are shown together, the most useful first.
    let mut together: Vec<Vec<_>> = Vec::new();
    for (n, place) in places {
        match together.last_mut() {
            Some(group) if is_near(group, place) => group.push((n, place)),
            _ => together.push(vec![(n, place)]),
        }
    }
    together.sort_by_key(|group| group.iter().map(|(n, _)| *n).min());
    let title = if warning { Level::WARNING } else { Level::ERROR }.primary_title(&what);
    let report = Group::with_title(title).elements(together.iter().map(|group| snippet(group, &fix, lines)));
    writeln!(f, "{}", Renderer::plain().render(&[report]))
}

/// A place in the file, with its number among all places of its problem.
type Place<'a> = (usize, &'a Range<usize>);

fn is_near(group: &[Place<'_>], place: &Range<usize>) -> bool {
    group.last().is_some_and(|(_, last)| place.start - last.start <= APART)
}

/// The lines of some places, in the order of the file.
fn snippet<'a>(group: &[Place<'_>], fix: &'a str, lines: &'a Lines<'_>) -> Snippet<'a, Annotation<'a>> {
    let source = lines.source;
    let shown: Vec<_> = group.iter().map(|(n, place)| (*n, source.on_one_line(place))).collect();
    let first = shown.first().map_or(0, |(_, place)| lines.line(place.start));
    let last = shown.last().map_or(first, |(_, place)| lines.line(place.start));
    let start = lines.starts[first];
    // With the end of the last line, so that a problem there can be marked.
    let end = lines.starts.get(last + 1).copied().unwrap_or(lines.text.len());
    let annotations = shown.into_iter().map(|(n, place)| {
        let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = if n == 0 { fix } else { "" };
        kind.span(place.start - start..place.end - start).label(label)
    });
    Snippet::source(&lines.text[start..end]).line_start(first + 1).path(&source.name).annotations(annotations)
}
