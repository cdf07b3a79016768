//! The file of progress: one line of JSON for each prediction.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use lessons::Answer;
use serde::{Deserialize, Serialize};

/// A prediction, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The number of the lesson, such as `06`.
    pub(crate) lesson: String,
    /// The answer of the student.
    pub(crate) prediction: Answer,
    /// The right answer.
    pub(crate) answer: Answer,
    /// Whether all claims held.
    pub(crate) holds: bool,
}

/// Appends an entry. Makes the file and its folder if they do not exist.
pub(crate) fn append(file: &Path, entry: &Entry) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let line = serde_json::to_string(entry)? + "\n";
    let mut file = OpenOptions::new().create(true).append(true).open(file).with_context(cannot)?;
    file.write_all(line.as_bytes()).with_context(cannot)
}

/// The last entry of each lesson. A file that does not exist has none.
pub(crate) fn last(file: &Path) -> Result<BTreeMap<String, Entry>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let mut last = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        let entry: Entry = serde_json::from_str(line).with_context(|| {
            format!("{}, line {number}: no entry; empty the file with `lessons reset`", file.display())
        })?;
        last.insert(entry.lesson.clone(), entry);
    }
    Ok(last)
}

/// Empties the file. A file that does not exist is no error.
pub(crate) fn reset(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_prediction_counts_until_a_reset() {
        let folder = std::env::temp_dir().join(format!("lessons-progress-{}", std::process::id()));
        let file = folder.join("deep/progress.jsonl");
        assert!(last(&file).unwrap().is_empty());
        let entry = |prediction| {
            let (prediction, answer) = (Answer::One(prediction), Answer::One(2));
            Entry { lesson: "06".to_owned(), prediction, answer, holds: true }
        };
        append(&file, &entry(1)).unwrap();
        append(&file, &entry(2)).unwrap();
        assert_eq!(last(&file).unwrap(), BTreeMap::from([("06".to_owned(), entry(2))]));
        fs::write(&file, "rubbish\n").unwrap();
        assert!(format!("{:#}", last(&file).unwrap_err()).contains("line 1"));
        reset(&file).unwrap();
        reset(&file).unwrap();
        assert!(last(&file).unwrap().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
