//! The requests that wait at a backend for their response heads.

use crate::Moment;

use super::backend::Backend;

/// While this value exists, a request waits for its response head.
#[derive(Debug)]
pub struct Waiting<'a> {
    backend: &'a Backend,
    round: u32,
}

impl<'a> Waiting<'a> {
    /// Counts one more request that waits, sent at `now`. Two requests start the clocks of the rule of
    /// silence: the first since the backend's last byte, and the one that makes `enough`.
    pub fn new(backend: &'a Backend, now: Moment, enough: u32) -> Self {
        Self { backend, round: backend.traffic.begin_waiting(now, enough) }
    }
}

impl Drop for Waiting<'_> {
    /// However the request ended, it no longer waits. Without this, requests that a crash cut off would count
    /// against the backend when it is up again.
    fn drop(&mut self) {
        self.backend.traffic.end_waiting(self.round);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::Address;
    use crate::member::Member;

    fn backend() -> Backend {
        let address = Address { host: "127.0.0.1".into(), port: 3031 };
        Backend::new(1, Member::new(address), Moment::START)
    }

    #[test]
    fn the_silence_clock_starts_with_enough_requests_after_the_last_byte() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        let _one = Waiting::new(&backend, at(1), 3);
        let _two = Waiting::new(&backend, at(2), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None);
        let _ = backend.on_byte(at(3));
        let _three = Waiting::new(&backend, at(4), 3);
        let _four = Waiting::new(&backend, at(5), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None, "a byte starts the count anew");
        let _five = Waiting::new(&backend, at(6), 3);
        let seen = backend.traffic_snapshot();
        assert_eq!(seen.enough_since, Some(at(6)));
        assert_eq!(seen.waiting_since, Some(at(4)));
        assert_eq!(seen.last_sign, Some(at(3)));
        assert_eq!(seen.unanswered, 3, "only those that were sent since");
    }

    #[test]
    fn requests_that_ended_are_not_held_against_it() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        // Three requests wait when the backend crashes; it comes up again, and three others are sent.
        let waiting = [1, 2, 3].map(|ms| Waiting::new(&backend, at(ms), 3));
        drop(waiting);
        assert_eq!(backend.traffic_snapshot().unanswered, 0);
        let _waiting = [5001, 5002, 5003].map(|ms| Waiting::new(&backend, at(ms), 3));
        let seen = backend.traffic_snapshot();
        assert_eq!((seen.unanswered, seen.enough_since), (3, Some(at(5003))));
    }

    #[test]
    fn a_request_written_off_by_an_answer_is_not_taken_off_twice() {
        let backend = backend();
        let early = Waiting::new(&backend, Moment::START, 3);
        let _ = backend.on_byte(Moment::START);
        let _late = Waiting::new(&backend, Moment::START, 3);
        drop(early);
        assert_eq!(backend.traffic_snapshot().unanswered, 1);
    }

    #[test]
    fn a_backend_that_answers_requests_and_no_question_ignores_questions() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        backend.traffic.set_asked(Some(at(1000)));
        let _ = backend.on_byte(at(1249));
        assert!(!backend.traffic_snapshot().ignores_questions, "the answer may be on its way");
        let _ = backend.on_byte(at(1250));
        assert!(backend.traffic_snapshot().ignores_questions);
        backend.answered_question(true, at(1300));
        assert!(!backend.traffic_snapshot().ignores_questions);
    }
}
