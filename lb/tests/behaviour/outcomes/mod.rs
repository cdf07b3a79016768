//! Makes each fault that one request can meet, and writes the results as a page for people:
//! `docs/outcomes.md`.
//!
//! Each line of the page is a run of the real balancer between scripted sockets. The test compares the
//! results with the page, and first with the rules of the fault model, so that a wrong page cannot be
//! written.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

mod cell;
mod fault;
mod faults;
mod page;
mod rules;

use cell::{Case, Sight};
use fault::Fault;
use faults::SECTIONS;

/// Runs at a time. Most of them wait most of the time.
const SIDE_BY_SIDE: usize = 12;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/outcomes.md");

/// The results of each fault, in the order of [`Case::ALL`].
fn measure_all(faults: &[&Fault]) -> Vec<[Sight; 6]> {
    let cells = Case::ALL.len();
    let seen: Vec<OnceLock<Sight>> = (0..faults.len() * cells).map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let number = next.fetch_add(1, Relaxed)
            && let Some(cell) = seen.get(number)
        {
            let (fault, case) = (faults[number / cells], Case::ALL[number % cells]);
            println!("{} {}: {case:?}", fault.id, fault.what);
            cell.set(cell::measure(fault, case)).unwrap();
        }
    };
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(work);
        }
    });
    let mut seen = seen.into_iter().map(|cell| cell.into_inner().unwrap());
    faults.iter().map(|_| Case::ALL.map(|_| seen.next().unwrap())).collect()
}

#[test]
fn every_fault_ends_as_the_documentation_says() {
    let faults: Vec<_> = SECTIONS.iter().flat_map(|section| section.faults).collect();
    let seen = measure_all(&faults);
    let mut objections = String::new();
    for (fault, sights) in faults.iter().zip(&seen) {
        for (case, sight) in Case::ALL.iter().zip(sights) {
            for rule in rules::broken(fault, *case, sight) {
                objections += &format!("{} {}, {case:?}: {sight:?}\n  but: {rule}\n", fault.id, fault.what);
            }
        }
    }
    assert!(objections.is_empty(), "what is seen breaks rules:\n{objections}");

    let written = std::fs::read_to_string(PAGE).unwrap();
    let introduction = &written[..written.find("\n## ").expect("sections behind the introduction")];
    let page = page::page(introduction, SECTIONS, seen.iter());
    if std::env::var_os("ROUNDABOUT_WRITE_OUTCOMES").is_some() {
        return std::fs::write(PAGE, page).unwrap();
    }
    assert!(
        written == page,
        "docs/outcomes.md (-) is not what is seen (+); if that is right, write it anew with \
         ROUNDABOUT_WRITE_OUTCOMES=1\n{}",
        page::difference(&written, &page)
    );
}

#[test]
fn every_fault_of_the_model_has_a_line() {
    let measured = SECTIONS.iter().flat_map(|section| section.faults).map(|fault| fault.id);
    let elsewhere = SECTIONS.iter().flat_map(|section| section.elsewhere).map(|[id, ..]| *id);
    let found: std::collections::HashSet<_> = measured.chain(elsewhere).collect();
    let missing: Vec<_> = (1..=34).map(|n| format!("F{n}")).filter(|id| !found.contains(&**id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
