//! `lessons pictures`: a picture for each lesson, with a bar for each run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use lessons::{Chart, Lesson, Place};
use picture::{Anchor, Area, Picture, Tone};

use crate::course::Found;
use crate::print::print;

/// Draw the picture of each lesson: picture.svg in its folder.
#[derive(Args)]
pub(crate) struct Pictures {
    /// Write nothing; say which files differ.
    #[arg(long)]
    check: bool,
}

const LEFT: f64 = 190.0;
const WIDTH: f64 = 300.0;
const TOP: f64 = 66.0;
const ROW: f64 = 26.0;

impl Pictures {
    /// Draws. Returns whether no file differs, for `--check`.
    pub(crate) fn run(&self, course: &[Found]) -> Result<bool> {
        let mut is_good = true;
        for found in course {
            let Some(chart) = &found.lesson.chart else { continue };
            let (path, svg) = (found.folder.join("picture.svg"), svg(found, chart)?);
            if fs::read_to_string(&path).is_ok_and(|old| old == svg) {
                continue;
            }
            let place = path.display();
            if self.check {
                is_good = false;
                print(&format!("{place} differs; run `lessons pictures`\n"))?;
            } else {
                fs::write(&path, svg).with_context(|| format!("cannot write {place}"))?;
                print(&format!("{place}\n"))?;
            }
        }
        Ok(is_good)
    }
}

fn svg(Found { number, lesson, folder }: &Found, chart: &Chart) -> Result<String> {
    let reports = lesson.run(lesson.seed()).map_err(|error| anyhow!("lesson {number}: {error}"))?;
    let values: Vec<_> = lesson
        .runs(Place::Virtual)
        .into_iter()
        .map(|run| (run, chart.value(Place::Virtual, &reports, run)))
        .collect();
    let picture = bars(number, lesson, chart, &values);
    let flaws = picture.flaws();
    let place: &Path = folder;
    ensure!(flaws.is_empty(), "{}: {}; write shorter words", place.display(), flaws.join(", "));
    Ok(picture.finish())
}

/// A bar for each run. A value that is not a number has no bar.
fn bars(number: &str, lesson: &Lesson, chart: &Chart, values: &[(&str, f64)]) -> Picture {
    let title = format!("Lesson {number}: {}", lesson.title);
    let told: Vec<_> = values.iter().map(|(run, value)| format!("{run} {}", chart.spell(*value))).collect();
    let description = format!("{}: {}.", chart.words, told.join(", "));
    let mut picture = Picture::new(&title, &description, 600.0, TOP + ROW * values.len() as f64 + 8.0);
    picture.heading((20.0, 26.0), Anchor::Start, Tone::Plain, &title);
    picture.label((20.0, 48.0), Anchor::Start, Tone::Muted, &chart.words);
    let finite = values.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
    let highest = finite.fold(f64::MIN_POSITIVE, f64::max);
    for (row, (run, value)) in values.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        picture.label((LEFT - 10.0, y + 14.0), Anchor::End, Tone::Plain, run);
        let width = if value.is_finite() { WIDTH * value.max(0.0) / highest } else { 0.0 };
        picture.bar(Area::new(LEFT, y, width, 18.0), Tone::Accent);
        picture.label((LEFT + width + 10.0, y + 14.0), Anchor::Start, Tone::Plain, &chart.spell(*value));
    }
    picture
}
