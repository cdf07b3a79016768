//! The causes of errors in statistics: every failure and every refusal, each as one entry of a closed list. A
//! cause has the name of the variant.

use balance::verdict::{Blame, Failure};
use strum::VariantArray;

use crate::observe::{Counters, ErrorCause};
use crate::proxy::message::refusal::Refusal;

const _: () =
    assert!(Failure::VARIANTS.len() + Refusal::VARIANTS.len() <= Counters::CAUSES, "every cause has a place");

/// The causes of a failed try.
pub(crate) fn of_tries() -> impl Iterator<Item = ErrorCause> {
    // Without a backend, there is no try.
    Failure::VARIANTS
        .iter()
        .filter(|failure| **failure != Failure::NoBackend)
        .map(|failure| ErrorCause::from(*failure))
}

/// The causes of a refusal: before any backend gets the request, or in the middle of its body.
pub(crate) fn of_refusals() -> impl Iterator<Item = ErrorCause> {
    let uploads = [Failure::BadUpload, Failure::LargeUpload, Failure::SlowUpload];
    Refusal::VARIANTS.iter().map(|refusal| ErrorCause::from(*refusal)).chain(uploads.map(ErrorCause::from))
}

/// The causes of a failed request, as its client sees it.
pub(crate) fn of_requests() -> impl Iterator<Item = ErrorCause> {
    let failures = Failure::VARIANTS.iter().map(|failure| ErrorCause::from(*failure));
    failures.chain(Refusal::VARIANTS.iter().map(|refusal| ErrorCause::from(*refusal)))
}

impl From<Failure> for ErrorCause {
    fn from(failure: Failure) -> Self {
        Self { place: failure as usize, name: failure.into(), blame: failure.blame().name() }
    }
}

impl From<Refusal> for ErrorCause {
    fn from(refusal: Refusal) -> Self {
        Self {
            place: Failure::VARIANTS.len() + refusal as usize,
            name: refusal.into(),
            blame: Blame::Client.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_place_and_a_name_of_its_own() {
        let causes: Vec<_> = of_requests().collect();
        assert!(causes.iter().zip(0..).all(|(cause, place)| cause.place == place));
        let mut names: Vec<_> = causes.iter().map(|cause| cause.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), causes.len());
        assert!(names.contains(&"connect_refused") && names.contains(&"refused_bare_line_feed"), "{names:?}");
    }
}
