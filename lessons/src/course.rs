//! The lessons of a folder: one folder for each, such as `06-one-slow-server`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use api::excerpt;
use lessons::Lesson;

/// A lesson with its place.
pub(crate) struct Found {
    /// The number at the beginning of the name of its folder, such as `06`.
    pub(crate) number: String,
    pub(crate) folder: PathBuf,
    pub(crate) lesson: Lesson,
}

/// All lessons of a folder, by number.
pub(crate) fn course(folder: &Path) -> Result<Vec<Found>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((number, _)) = name.split_once('-') else { continue };
        if !number.bytes().all(|digit| digit.is_ascii_digit()) || !folder.join("lesson.toml").exists() {
            continue;
        }
        let (number, path) = (number.to_owned(), folder.join("lesson.toml"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lesson = Lesson::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        found.push(Found { number, folder, lesson });
    }
    ensure!(!found.is_empty(), "{} has no lessons; each is a folder such as 01-name", folder.display());
    found.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok(found)
}

/// The lesson with this number; `6` and `06` are the same.
pub(crate) fn lesson<'a>(course: &'a [Found], number: &str) -> Result<&'a Found> {
    let plain = |number: &str| number.trim_start_matches('0').to_owned();
    let found = course.iter().find(|found| plain(&found.number) == plain(number));
    let numbers = || course.iter().map(|found| found.number.as_str()).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("there is no lesson {}; write one of {}", excerpt(number), numbers()))
}

/// The lessons with these numbers, in this order; all without a number.
pub(crate) fn chosen<'a>(course: &'a [Found], numbers: &[String]) -> Result<Vec<&'a Found>> {
    if numbers.is_empty() {
        return Ok(course.iter().collect());
    }
    numbers.iter().map(|number| lesson(course, number)).collect()
}
