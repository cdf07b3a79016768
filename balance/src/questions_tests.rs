//! Tests: when a pool asks its backends, and what follows from the answers.

use std::time::Duration;

use super::*;
use crate::pool::tests::pool;
use crate::waiting::Waiting;

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
    (0..10).for_each(|_| pool.ask_soon(backend));
    assert_eq!((asks(&pool, now), asks(&pool, now)), (vec![1], vec![]), "ten failures are one question");
    pool.ask_soon(backend);
    assert_eq!(asks(&pool, now), [0; 0], "a question is on its way");
    assert!(!pool.asked(backend, Reply::Evidence(Evidence::Answered), now).again);
    assert_eq!(asks(&pool, now), [0; 0], "and answers that failure as well");
    pool.ask_soon(backend);
    assert_eq!(asks(&pool, now), [1]);
    for _ in 0..2 {
        assert!(!pool.asked(backend, closed(), now).again);
        assert_eq!((backend.health().state(), asks(&pool, now)), (State::Up, vec![1]));
    }
    pool.asked(backend, closed(), now);
    assert_eq!((backend.health().state(), asks(&pool, now)), (State::Down, vec![]));
    pool.ask_soon(backend);
    assert_eq!(asks(&pool, now), [0; 0], "a backend that is down is pinged");
}

#[test]
fn a_backend_that_answers_requests_is_judged_by_questions_only_if_it_answers_those_as_well() {
    let pool = pool(2);
    let now = Moment::START;
    let backend = &pool.backends()[0];
    let closed = || Reply::Evidence(Evidence::NotHttp("closed".into()));
    let fail_and_ask = || {
        pool.ask_soon(backend);
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

/// Backends that close the connection on a question, and on one path. One client requests that path.
#[test]
fn a_client_cannot_take_down_a_pool_for_good() {
    let pool = pool(3);
    let at = |ms| Moment::START + Duration::from_millis(ms);
    let next = |now| crate::pool::tests::next_at(&pool, &[], now);
    for backend in pool.backends() {
        pool.pinged(&backend, Evidence::Connected, at(0));
        pool.ask_soon(&backend);
        while !backend.is(State::Down) {
            assert_eq!(asks(&pool, at(2)), [backend.number]);
            let _ = pool.asked(&backend, Reply::Evidence(Evidence::NotHttp("closed".into())), at(2));
        }
    }
    // Requests try the backends although all of them are down, and an answer counts.
    let chosen = next(at(100)).expect("the last resort");
    let backend = &pool.backends()[chosen - 1];
    backend.learn_latency(Duration::from_millis(1), false, at(101));
    let evidence = backend.answered().expect("an answer to a request matters");
    assert_eq!(pool.learn(backend, evidence, at(101)), None);
    assert!(!backend.health().must_answer(at(102)), "the next ping is a TCP ping");
    pool.pinged(backend, Evidence::Connected, at(1000));
    assert!(backend.is(State::Up));
    // From then on, closed questions say nothing.
    for _ in 0..10 {
        pool.ask_soon(backend);
        let _ = pool.asked(backend, Reply::Evidence(Evidence::NotHttp("closed".into())), at(1001));
    }
    assert!(backend.is(State::Up));
    // The others get no requests while one is up, so a trial brings them back.
    for other in pool.backends().iter().filter(|other| other.number != chosen) {
        pool.pinged(other, Evidence::NotHttp("closed".into()), at(5001));
        assert!(other.is(State::Down) && other.health().must_answer(at(5001)));
        assert!(!other.health().must_answer(at(5002)));
        pool.pinged(other, Evidence::Connected, at(5002));
        assert!(other.is(State::Up));
    }
}

#[test]
fn a_backend_that_serves_requests_and_ignores_questions_is_no_suspect_for_good() {
    let pool = pool(2);
    let at = |ms| Moment::START + Duration::from_millis(ms);
    let (slow, other) = (&pool.backends()[0], &pool.backends()[1]);
    let _waiting = Waiting::new(slow, at(10), 3);
    assert_eq!(asks(&pool, at(300)), [1]);
    let _ = other.on_byte(at(1200));
    pool.judge_silence(at(1310));
    assert!(slow.is(State::Suspect));
    let _ = pool.asked(slow, Reply::None, at(2300));
    pool.pinged(slow, Evidence::StillSilent, at(6309));
    assert!(slow.is(State::Suspect) && slow.health().must_answer(at(6309)));
    pool.pinged(slow, Evidence::Connected, at(6310));
    assert!(slow.is(State::Up), "a TCP ping counts after five seconds");
    // It becomes a suspect once more, and now the answer to the request arrives.
    let _more = Waiting::new(slow, at(6400), 3);
    assert!(asks(&pool, at(6700)).contains(&1));
    let _ = other.on_byte(at(7600));
    pool.judge_silence(at(7710));
    assert!(slow.is(State::Suspect));
    let evidence = slow.on_byte(at(8000)).expect("any byte counts");
    pool.learn(slow, evidence, at(8000));
    assert!(slow.is(State::Up) && slow.traffic_snapshot().ignores_questions);
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
