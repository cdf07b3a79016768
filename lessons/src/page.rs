//! The part of a page that a command writes: the lines between two markers.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The text between the markers of the part with this name.
pub(crate) fn part<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    Ok(page[range(page, name)?].trim_matches('\n'))
}

/// The page with another text between the markers of the part with this name.
fn replaced(page: &str, name: &str, text: &str) -> Result<String> {
    let range = range(page, name)?;
    Ok(format!("{}\n\n{}\n\n{}", &page[..range.start], text.trim_matches('\n'), &page[range.end..]))
}

/// The path in words, for an error.
pub(crate) fn at(path: &Path) -> impl Fn() -> String {
    let path = path.display().to_string();
    move || path.clone()
}

/// The text of a page.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces the part of a page that has this name.
pub(crate) fn write_part(path: &Path, name: &str, text: &str) -> Result<()> {
    let page = replaced(&read(path)?, name, text).with_context(at(path))?;
    fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn range(page: &str, name: &str) -> Result<Range<usize>> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let missing = || format!("the markers are missing; write a line {begin} and a line {end}");
    let from = page.find(&begin).with_context(missing)? + begin.len();
    let to = page.find(&end).with_context(missing)?;
    ensure!(from <= to, "the marker {end} comes before {begin}; exchange them");
    Ok(from..to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "before\n<!-- table: begin -->\n\nold\n\n<!-- table: end -->\nafter\n";

    #[test]
    fn a_part_is_read_and_replaced_and_the_rest_stays() {
        assert_eq!(part(PAGE, "table").unwrap(), "old");
        let page = replaced(PAGE, "table", "new\nlines\n").unwrap();
        assert_eq!(page, PAGE.replace("old", "new\nlines"));
        assert_eq!(replaced(&page, "table", "old").unwrap(), PAGE);
    }

    #[test]
    fn missing_markers_are_named() {
        for (page, expected) in
            [("nothing", "<!-- table: begin -->"), ("<!-- table: end --><!-- table: begin -->", "exchange")]
        {
            let error = part(page, "table").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
