//! The page: the results for people.

use std::fmt::Write;

use super::cell::{Asked, Case, Got, Sight};
use super::fault::Fault;
use super::faults::Section;

/// The whole page, after the introduction that is written by hand. `seen` has the results of each fault, in
/// the order of [`Case::ALL`].
pub(super) fn page<'a>(
    introduction: &str,
    sections: &[Section],
    mut seen: impl Iterator<Item = &'a [Sight; 6]>,
) -> String {
    let mut page = introduction.to_owned();
    for Section { title, faults, elsewhere } in sections {
        let columns = "| | what happens | request | client gets | tries | blamed | runs | explanation |";
        let _ = write!(page, "\n## {title}\n\n{columns}\n|---|---|---|---|---|---|---|---|\n");
        let mut lines: Vec<_> = (faults.iter().zip(&mut seen))
            .map(|(fault, sights)| (number(fault.id), rows(fault, sights)))
            .collect();
        lines.extend(elsewhere.iter().map(|[id, what, why]| {
            (number(id), format!("| {id} | {what} | not run here | | | | | {why} |\n"))
        }));
        lines.sort_by_key(|(number, _)| *number);
        page.extend(lines.into_iter().map(|(_, line)| line));
    }
    page
}

fn number(id: &str) -> u32 {
    id.trim_start_matches('F').parse().unwrap()
}

/// The rows of a fault: one for each outcome, with its requests.
fn rows(fault: &Fault, sights: &[Sight; 6]) -> String {
    let mut outcomes: Vec<(&Sight, Vec<Case>)> = Vec::new();
    for (sight, case) in sights.iter().zip(Case::ALL) {
        match outcomes.iter_mut().find(|(other, _)| *other == sight) {
            Some((_, cases)) => cases.push(case),
            None => outcomes.push((sight, vec![case])),
        }
    }
    let mut rows = String::new();
    let (mut id, mut what, mut why) = (fault.id, fault.what, fault.why);
    for (Sight { client, tries, blamed, runs }, cases) in outcomes {
        let cases = requests(&cases);
        let client = match client {
            Got::Status(status) => status.to_string(),
            Got::Cut => "a part".to_owned(),
            Got::Nothing => "nothing".to_owned(),
        };
        let tries = match tries {
            [first, 0] => first.to_string(),
            [first, second] => format!("{first} + {second}"),
        };
        let _ =
            writeln!(rows, "| {id} | {what} | {cases} | {client} | {tries} | {blamed} | {runs} | {why} |");
        (id, what, why) = ("", "", "");
    }
    rows
}

/// The names of some requests, in short.
fn requests(cases: &[Case]) -> String {
    let all = |kept| cases.iter().filter(|case| case.kept == kept).count() == 3;
    match (cases.len(), all(false), all(true)) {
        (6, ..) => return "any".to_owned(),
        (3, true, _) => return "any, fresh".to_owned(),
        (3, _, true) => return "any, kept".to_owned(),
        _ => {}
    }
    let words =
        [(Asked::Get, "GET"), (Asked::Post, "POST"), (Asked::Upload, "upload")].map(|(asked, name)| {
            let kept: Vec<_> =
                cases.iter().filter(|case| case.asked == asked).map(|case| case.kept).collect();
            match kept[..] {
                [] => String::new(),
                [false] => format!("{name}, fresh"),
                [true] => format!("{name}, kept"),
                _ => name.to_owned(),
            }
        });
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The difference of two pages, line by line: lines only in the first, and lines only in the second.
pub(super) fn difference(written: &str, seen: &str) -> String {
    let only = |in_this: &str, not_in: &str, sign| {
        let lines = in_this.lines().filter(|line| !not_in.lines().any(|other| other == *line));
        lines.fold(String::new(), |all, line| all + &format!("{sign} {line}\n"))
    };
    only(written, seen, '-') + &only(seen, written, '+')
}
