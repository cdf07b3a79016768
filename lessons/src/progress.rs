//! The file of progress: one line of JSON for each prediction, and for each grade of a policy.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use lessons::{Answer, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A prediction, and what became of it. Lines of earlier versions have the first four fields only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The number of the lesson, such as `06`.
    pub(crate) lesson: String,
    /// The answer of the student.
    pub(crate) prediction: Answer,
    /// The right answer.
    pub(crate) answer: Answer,
    /// Whether all claims held.
    pub(crate) holds: bool,
    /// The claims of all runs, in their order.
    #[serde(default)]
    pub(crate) claims: Vec<Judged>,
    /// When the runs ended, such as `2026-01-31T12:00:00Z`.
    #[serde(default)]
    pub(crate) at: String,
    /// The version of the lessons.
    #[serde(default)]
    pub(crate) version: String,
}

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The claim in words.
    pub(crate) says: String,
    /// `virtual` or `live`.
    pub(crate) place: String,
    /// `pass`, `fail` or `inconclusive`.
    pub(crate) verdict: String,
    /// The measured value; none if it is no number.
    pub(crate) value: Option<f64>,
    /// The least value with which the claim holds; none if there is none.
    pub(crate) least: Option<f64>,
    /// The greatest such value.
    pub(crate) most: Option<f64>,
    /// The seed of the runs.
    pub(crate) seed: u64,
}

/// The grade of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GradeRecord {
    /// The name of the policy.
    pub(crate) graded: String,
    /// The points that it got.
    pub(crate) points: u32,
    /// The points that it could get.
    pub(crate) of: u32,
    /// What was asked of it.
    pub(crate) claims: Vec<GradedClaim>,
    /// When it was graded.
    pub(crate) at: String,
    /// The version of the lessons.
    pub(crate) version: String,
}

/// A claim about a policy, with its points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GradedClaim {
    /// The number of the lesson.
    pub(crate) lesson: String,
    /// The claim.
    pub(crate) claim: Judged,
    /// The points that the policy got for it.
    pub(crate) points: u32,
    /// The points that it could get.
    pub(crate) of: u32,
}

/// What the file has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The predictions of each lesson, the first one first.
    pub(crate) predictions: BTreeMap<String, Vec<Entry>>,
    /// The grades, the first one first.
    pub(crate) grades: Vec<GradeRecord>,
}

impl Judged {
    /// A claim with its verdict.
    pub(crate) fn of(says: &str, place: &str, seed: u64, verdict: Verdict) -> Self {
        // JSON has no infinity.
        let finite = |value: f64| value.is_finite().then_some(value);
        Self {
            says: says.to_owned(),
            place: place.to_owned(),
            verdict: verdict.word().to_lowercase(),
            value: finite(verdict.value),
            least: finite(verdict.band.least),
            most: finite(verdict.band.most),
            seed,
        }
    }

    /// A claim whose run did not end because the policy panicked.
    pub(crate) fn crashed(says: &str, seed: u64) -> Self {
        let (says, place, verdict) = (says.to_owned(), "virtual".to_owned(), "fail".to_owned());
        Self { says, place, verdict, value: None, least: None, most: None, seed }
    }
}

/// The time now, as an entry has it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Appends an entry or a grade. Makes the file and its folder if they do not exist.
pub(crate) fn append(file: &Path, entry: &impl Serialize) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let line = serde_json::to_string(entry)? + "\n";
    let mut file = OpenOptions::new().create(true).append(true).open(file).with_context(cannot)?;
    file.write_all(line.as_bytes()).with_context(cannot)
}

/// Everything in the file. A file that does not exist has nothing.
pub(crate) fn read(file: &Path) -> Result<Progress> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Progress::default()),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let mut progress = Progress::default();
    for (line, number) in text.lines().zip(1..) {
        progress.add(line).with_context(|| {
            format!("{}, line {number}: no entry; empty the file with `lessons reset`", file.display())
        })?;
    }
    Ok(progress)
}

impl Progress {
    /// Adds a line of the file.
    fn add(&mut self, line: &str) -> serde_json::Result<()> {
        let value: Value = serde_json::from_str(line)?;
        if value.get("graded").is_some() {
            self.grades.push(serde_json::from_value(value)?);
            return Ok(());
        }
        let entry: Entry = serde_json::from_value(value)?;
        self.predictions.entry(entry.lesson.clone()).or_default().push(entry);
        Ok(())
    }

    /// The last prediction of a lesson.
    pub(crate) fn last(&self, lesson: &str) -> Option<&Entry> {
        self.predictions.get(lesson)?.last()
    }
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
        assert_eq!(read(&file).unwrap(), Progress::default());
        let entry = |prediction| Entry {
            lesson: "06".to_owned(),
            prediction: Answer::One(prediction),
            answer: Answer::One(2),
            holds: true,
            claims: vec![Judged::crashed("a", 7)],
            at: now(),
            version: "1".to_owned(),
        };
        let (first, last) = (entry(1), entry(2));
        append(&file, &first).unwrap();
        append(&file, &last).unwrap();
        assert_eq!(read(&file).unwrap().last("06"), Some(&last));
        assert_eq!(read(&file).unwrap().predictions["06"], [first, last]);
        fs::write(&file, "rubbish\n").unwrap();
        assert!(format!("{:#}", read(&file).unwrap_err()).contains("line 1"));
        reset(&file).unwrap();
        reset(&file).unwrap();
        assert_eq!(read(&file).unwrap(), Progress::default());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_of_an_earlier_version_and_a_grade_are_read() {
        let mut progress = Progress::default();
        progress.add(r#"{"lesson":"06","prediction":1,"answer":2,"holds":true}"#).unwrap();
        let entry = progress.last("06").unwrap();
        assert_eq!((&entry.prediction, &entry.answer), (&Answer::One(1), &Answer::One(2)));
        assert!(entry.holds);
        assert!(entry.claims.is_empty() && entry.at.is_empty() && entry.version.is_empty());
        let claim = GradedClaim { lesson: "06".to_owned(), claim: Judged::crashed("a", 7), points: 0, of: 5 };
        let grade = GradeRecord {
            graded: "mine".to_owned(),
            points: 0,
            of: 5,
            claims: vec![claim],
            at: now(),
            version: "1".to_owned(),
        };
        progress.add(&serde_json::to_string(&grade).unwrap()).unwrap();
        assert_eq!((progress.grades.as_slice(), progress.predictions.len()), ([grade].as_slice(), 1));
        assert!(progress.add("{}").is_err() && progress.add("{\"graded\":1}").is_err());
    }
}
