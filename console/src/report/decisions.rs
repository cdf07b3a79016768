//! Requests in a report, each with its way and the reasons for it.

use api::{Decision, Req};

use super::html::{Page, Table};
use super::moment::{milliseconds, seconds};
use super::requests::Told;

/// Candidates that are named in one reason.
const NAMED: usize = 4;

/// Adds a table of requests. A table without rows is a sentence.
pub(super) fn requests<'a>(page: &mut Page, caption: &str, told: impl Iterator<Item = &'a Told>, begin: u64) {
    let heads = ["request", "time", "what", "way", "status", "took", "reason"];
    let mut table = Table::new(caption, &heads);
    let mut is_empty = true;
    for Told { request, why } in told {
        is_empty = false;
        let decisions = why.as_ref().map_or(&[][..], |why| &why.decisions);
        table.row(vec![
            format!("#{}", request.id),
            seconds(request.t, begin),
            format!("{} {}", request.method, request.path),
            way(request),
            request.status.to_string(),
            milliseconds(request.total_us),
            reasons(decisions),
        ]);
    }
    if is_empty {
        page.words(&format!("{caption}: none."));
    } else {
        page.table(&table);
    }
}

/// The backends in order, such as `B1 (connection refused), then B2`.
fn way(request: &Req) -> String {
    let mut way: Vec<String> =
        request.tried.iter().map(|(backend, reason)| format!("B{backend} ({reason})")).collect();
    way.extend(request.backend.map(|backend| match request.retries {
        0 => format!("B{backend}"),
        retries => format!("B{backend} after {retries} retries"),
    }));
    if way.is_empty() {
        way.push("no backend".to_owned());
    }
    let mut text = way.join(", then ");
    if let Some(failure) = &request.failure {
        text += &format!("; {failure}");
    }
    text
}

fn reasons(decisions: &[Decision]) -> String {
    if decisions.is_empty() {
        return "unknown: the balancer gives reasons only for a sample of the requests".to_owned();
    }
    decisions.iter().map(reason).collect::<Vec<_>>().join(" ")
}

/// One decision in words.
fn reason(decision: &Decision) -> String {
    let chosen = decision.chosen.map_or_else(|| "no backend".to_owned(), |backend| format!("B{backend}"));
    let hedge = if decision.hedge { ", a hedge" } else { "" };
    let mut text = format!("Decision {}{hedge}: {chosen}, {}.", decision.attempt, decision.because);
    let compared = decision.candidates.iter().take(NAMED).map(|one| {
        let score = one.score.map_or_else(String::new, |score| format!(", score {score:.3}"));
        format!("B{} {} in flight{score}", one.backend, one.in_flight)
    });
    let compared: Vec<String> = compared.collect();
    if !compared.is_empty() {
        text += &format!(" Candidates: {}.", compared.join("; "));
    }
    let excluded: Vec<String> =
        decision.excluded.iter().take(NAMED).map(|one| format!("B{}: {}", one.backend, one.why)).collect();
    if !excluded.is_empty() {
        text += &format!(" Not candidates: {}.", excluded.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use api::{Candidate, Excluded};

    use super::*;

    #[test]
    fn a_way_names_the_backends_in_order() {
        for (tried, backend, retries, expected) in [
            (vec![], Some(2), 0, "B2"),
            (vec![(1, "connection refused".into())], Some(2), 0, "B1 (connection refused), then B2"),
            (vec![], Some(3), 2, "B3 after 2 retries"),
            (vec![], None, 0, "no backend"),
        ] {
            assert_eq!(way(&Req { tried, backend, retries, ..Req::default() }), expected);
        }
    }

    #[test]
    fn a_reason_has_the_numbers_that_decided() {
        let candidate = |backend, score| Candidate { backend, in_flight: 2, score, ..Candidate::default() };
        let decision = Decision {
            attempt: 2,
            chosen: Some(2),
            because: "it is the idlest".into(),
            candidates: vec![candidate(1, Some(3.0)), candidate(2, None)],
            excluded: vec![Excluded { backend: 3, why: "it is down".into() }],
            ..Decision::default()
        };
        let expected = "Decision 2: B2, it is the idlest. Candidates: B1 2 in flight, score 3.000; B2 2 in flight. \
                        Not candidates: B3: it is down.";
        assert_eq!(reasons(&[decision]), expected);
        assert!(reasons(&[]).contains("sample"));
    }
}
