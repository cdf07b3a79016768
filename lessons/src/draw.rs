//! `lessons pictures`: a picture for each lesson, with a bar for each run.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use lessons::{Chart, Lesson, Place, Reports};
use picture::{Anchor, Area, Picture, Tone};

use crate::course::Found;
use crate::page::write_part;
use crate::print::print;
use crate::show::Show;
use crate::tables::figures;

/// Draw the picture of each lesson: picture.svg in its folder.
#[derive(Args)]
pub(crate) struct Pictures {
    /// Write nothing; say which files differ.
    #[arg(long)]
    check: bool,
    /// Draw the lessons that only run live instead, and write the figures of the same runs into their pages.
    #[arg(long, conflicts_with = "check")]
    live: bool,
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
            let is_live = found.lesson.runs(Place::Virtual).is_empty();
            let Some(chart) = found.lesson.chart.as_ref().filter(|_| is_live == self.live) else { continue };
            let svg = if is_live { live(found, chart)? } else { virtual_time(found, chart)? };
            let path = found.folder.join("picture.svg");
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

fn virtual_time(found: &Found, chart: &Chart) -> Result<String> {
    let Found { number, lesson, .. } = found;
    let reports = lesson.run(lesson.seed()).map_err(|error| anyhow!("lesson {number}: {error}"))?;
    svg(found, chart, Place::Virtual, &reports)
}

/// Another live run has other figures, so the tables of the page are written with the picture.
fn live(found: &Found, chart: &Chart) -> Result<String> {
    let Found { number, lesson, folder } = found;
    let show = Show { is_quiet: true, has_page: false, is_quick: false };
    let (reports, lateness) = show.live(lesson, lesson.seed()).with_context(|| format!("lesson {number}"))?;
    ensure!(!lateness.is_late(), "lesson {number}: this machine was late; end other programs and try again");
    write_part(&folder.join("README.md"), "figures", &figures(lesson, Place::Live, &reports))?;
    svg(found, chart, Place::Live, &reports)
}

fn svg(
    Found { number, lesson, folder }: &Found,
    chart: &Chart,
    place: Place,
    reports: &Reports<'_>,
) -> Result<String> {
    let value = |run| (run, chart.value(place, reports, run));
    let values: Vec<_> = lesson.runs(place).into_iter().map(value).collect();
    let picture = bars(number, lesson, chart, &values);
    let flaws = picture.flaws();
    ensure!(flaws.is_empty(), "{}: {}; write shorter words", folder.display(), flaws.join(", "));
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
