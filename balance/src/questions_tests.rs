//! Tests: when a pool asks its backends, and what follows from the answers.

use std::time::Duration;

use super::*;
use crate::pool::tests::pool;
use crate::traffic::Waiting;

/// The numbers of the backends that the pool wants to ask at `now`.
fn asks(pool: &ServerPool, now: Moment) -> Vec<usize> {
    pool.to_ask(now).iter().map(|backend| backend.number).collect()
}

#[test]
fn a_backend_is_asked_before_it_is_suspected_and_taken_back_when_it_answers() {
    let pool = pool(2);
    let at = |ms| Moment::START + Duration::from_millis(ms);
    let states = || [0, 1].map(|index: usize| pool.backends()[index].health().state());
    let (silent, other) = (&pool.backends()[0], &pool.backends()[1]);
    let _uploads = [1, 2, 3].map(|ms| Waiting::new(silent, at(ms), 3));
    let _ = other.on_byte(at(550));
    pool.judge_silence(at(600));
    assert_eq!(states(), [State::Up; 2], "it was not asked");
    assert_eq!(asks(&pool, at(600)), [1]);
    assert_eq!(asks(&pool, at(650)), [2], "another is asked, so that its answer can speak against the first");
    pool.judge_silence(at(900));
    assert_eq!(states(), [State::Up; 2], "the other has not answered either");
    assert!(!pool.asked(other, Reply::Evidence(Evidence::Answered), at(901)).again);
    pool.judge_silence(at(902));
    assert_eq!(states(), [State::Suspect, State::Up]);
    assert!(!pool.asked(silent, Reply::None, at(1000)).again, "pings ask suspects");

    // The backend answers a ping while the requests that could not leave still wait.
    pool.pinged(silent, Evidence::Answered, at(1100));
    assert_eq!((states(), asks(&pool, at(1101))), ([State::Up; 2], vec![]));
    // Only other requests that wait as long make the backend a suspect again.
    let _more = [1110, 1120, 1130].map(|ms| Waiting::new(silent, at(ms), 3));
    assert_eq!(asks(&pool, at(1359)), [0; 0]);
    assert_eq!(asks(&pool, at(1360)), [1]);
    let _ = other.on_byte(at(1400));
    pool.judge_silence(at(1629));
    assert_eq!(states(), [State::Up, State::Up]);
    pool.judge_silence(at(1630));
    assert_eq!(states(), [State::Suspect, State::Up]);
}

#[test]
fn a_failed_request_makes_the_pool_ask_once_until_something_is_known() {
    let pool = pool(2);
    let now = Moment::START;
    let backend = &pool.backends()[0];
    let closed = || Reply::Evidence(Evidence::NotHttp("closed".into()));
    (0..10).for_each(|_| _ = pool.teach(backend, Lesson::Ask, now));
    assert_eq!((asks(&pool, now), asks(&pool, now)), (vec![1], vec![]), "ten failures are one question");
    pool.teach(backend, Lesson::Ask, now);
    assert_eq!(asks(&pool, now), [0; 0], "a question is on its way");
    assert!(!pool.asked(backend, Reply::Evidence(Evidence::Answered), now).again);
    assert_eq!(asks(&pool, now), [0; 0], "and answers that failure as well");
    pool.teach(backend, Lesson::Ask, now);
    assert_eq!(asks(&pool, now), [1]);
    for _ in 0..2 {
        assert!(!pool.asked(backend, closed(), now).again);
        assert_eq!((backend.health().state(), asks(&pool, now)), (State::Up, vec![1]));
    }
    pool.asked(backend, closed(), now);
    assert_eq!((backend.health().state(), asks(&pool, now)), (State::Down, vec![]));
    pool.teach(backend, Lesson::Ask, now);
    assert_eq!(asks(&pool, now), [0; 0], "a backend that is down is pinged");
}

#[test]
fn a_backend_that_answers_requests_is_judged_by_questions_only_if_it_answers_those_as_well() {
    let pool = pool(2);
    let now = Moment::START;
    let backend = &pool.backends()[0];
    let closed = || Reply::Evidence(Evidence::NotHttp("closed".into()));
    let fail_and_ask = || {
        pool.teach(backend, Lesson::Ask, now);
        asks(&pool, now)
    };
    backend.learn_latency(Duration::from_millis(1), false, now);
    for _ in 0..5 {
        assert_eq!(fail_and_ask(), [1]);
        pool.asked(backend, closed(), now);
        assert_eq!(
            (backend.health().state(), asks(&pool, now)),
            (State::Up, vec![]),
            "it may dislike the question"
        );
    }
    assert_eq!(fail_and_ask(), [1]);
    pool.asked(backend, Reply::Evidence(Evidence::Answered), now);
    assert_eq!(fail_and_ask(), [1]);
    for _ in 0..3 {
        pool.asked(backend, closed(), now);
    }
    assert_eq!(backend.health().state(), State::Down, "it has answered one before");
}

#[test]
fn a_backend_that_is_out_is_asked_for_the_requests_that_wait_there_and_stays_out() {
    let refused = || Evidence::PingRefused("refused".into());
    let unreachable = || Evidence::PingFailed("connecting took too long".into());
    let ejected = || Evidence::Outlier("5 errors in a row".into(), Duration::from_secs(30));
    let answered = || Reply::Evidence(Evidence::Answered);
    for (state, evidence) in [(State::Down, refused()), (State::Ejected, ejected())] {
        for (reply, silent) in
            [(answered(), false), (Reply::None, true), (Reply::Evidence(unreachable()), true)]
        {
            let pool = pool(2);
            let at = |ms| Moment::START + Duration::from_millis(ms);
            let (out, other) = (&pool.backends()[0], &pool.backends()[1]);
            let _waiting = Waiting::new(out, at(10), 3);
            (0..3).for_each(|_| _ = pool.learn(out, evidence.clone(), at(20)));
            assert!(out.is(state), "{:?}", out.health());
            assert_eq!(asks(&pool, at(400)), [1]);
            let _ = other.on_byte(at(500));
            let again = pool.asked(out, reply.clone(), at(1500)).again;
            assert_eq!(again, reply == Reply::None, "{state:?} {reply:?}");
            pool.judge_silence(at(1501));
            if state == State::Ejected && matches!(reply, Reply::Evidence(Evidence::PingFailed(_))) {
                assert!(!out.is_silent(), "it is judged as if it were up: {:?}", out.health());
            } else {
                assert_eq!(out.is_silent(), silent, "{state:?} {reply:?}");
            }
            assert!(out.is(state), "pings and time bring it back");
            pool.learn(out, Evidence::Answered, at(1600));
            assert!(!out.is_silent());
        }
    }
}
