//! Tests: when the balancer asks a backend, and when it suspects one.

use super::*;

const RULE: Rule = Rule { waiting: 3, at_least: Duration::from_millis(500) };

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn at(n: u64) -> Moment {
    Moment::after(ms(n))
}

/// A backend that answered at 2,990 ms and has no requests.
fn well() -> TrafficSnapshot {
    TrafficSnapshot {
        up: true,
        out: false,
        unanswered: 0,
        waiting_since: None,
        enough_since: None,
        last_sign: Some(at(2990)),
        asked: None,
        last_asked: None,
        ignores_questions: false,
        answers_questions: true,
        usual: ms(2),
    }
}

/// A backend whose last byte came at 2,000 ms, with one request waiting since 2,010 ms.
fn waited_for() -> TrafficSnapshot {
    TrafficSnapshot { unanswered: 1, waiting_since: Some(at(2010)), last_sign: Some(at(2000)), ..well() }
}

/// The same with 8 requests waiting, and a question since 2,260 ms.
fn stalled() -> TrafficSnapshot {
    TrafficSnapshot { unanswered: 8, enough_since: Some(at(2015)), asked: Some(at(2260)), ..waited_for() }
}

#[test]
fn one_waiting_request_is_enough_to_ask() {
    assert_eq!(to_ask(&[well(), waited_for()], at(2259), RULE), [0; 0]);
    assert_eq!(to_ask(&[well(), waited_for()], at(2260), RULE), [1]);
}

#[test]
fn a_backend_is_asked_only_when_there_is_a_reason() {
    let table = [
        ("no request waits", TrafficSnapshot { unanswered: 0, ..waited_for() }),
        ("its answers usually take so long", TrafficSnapshot { usual: ms(1000), ..waited_for() }),
        ("it is out already", TrafficSnapshot { up: false, ..waited_for() }),
        ("a question waits for its answer", TrafficSnapshot { asked: Some(at(2900)), ..waited_for() }),
        (
            "it has answered a question just now",
            TrafficSnapshot { last_sign: Some(at(2300)), ..waited_for() },
        ),
    ];
    for (why_not, one) in table {
        assert_eq!(to_ask(&[well(), one], at(2980), RULE), [0; 0], "{why_not}");
    }
    let again = TrafficSnapshot { last_sign: Some(at(2300)), ..waited_for() };
    assert_eq!(to_ask(&[well(), again], at(3300), RULE), [1], "but the next question comes a second later");
}

#[test]
fn a_backend_that_gets_no_requests_is_asked_while_the_pool_is_in_use() {
    let unused = TrafficSnapshot { last_sign: Some(at(2000)), ..well() };
    let busy = |since| TrafficSnapshot { waiting_since: Some(at(since)), ..well() };
    assert_eq!(to_ask(&[busy(2900), unused], at(2999), RULE), [0; 0], "it has said a word");
    assert_eq!(to_ask(&[busy(2900), unused], at(3000), RULE), [1]);
    assert_eq!(to_ask(&[busy(0), unused], at(3000), RULE), [0; 0], "no request comes");
    let mute = TrafficSnapshot { last_sign: None, ..unused };
    assert_eq!(to_ask(&[busy(2900), mute], at(3000), RULE), [1]);
    let lately = TrafficSnapshot { last_asked: Some(at(2500)), ..unused };
    assert_eq!(to_ask(&[busy(2900), lately], at(3000), RULE), [0; 0], "its port refused that question");
    let out = TrafficSnapshot { up: false, ..unused };
    assert_eq!(to_ask(&[busy(2900), out], at(3000), RULE), [0; 0]);
    let asked = TrafficSnapshot { asked: Some(at(2000)), ..unused };
    assert_eq!(silent(&[well(), asked], at(2999), RULE), []);
    assert_eq!(silent(&[well(), asked], at(3000), RULE), [(1, ms(1000))]);
    let dislikes = TrafficSnapshot { answers_questions: false, ..asked };
    assert_eq!(silent(&[well(), dislikes], at(3000), RULE), [], "it may dislike the question");
}

#[test]
fn each_backend_is_asked_once_to_learn_whether_it_answers_questions() {
    let busy = |ms_: u64| TrafficSnapshot {
        answers_questions: false,
        unanswered: 1,
        waiting_since: Some(at(ms_)),
        last_sign: Some(at(ms_)),
        ..well()
    };
    assert_eq!(to_ask(&[busy(4990), busy(4990)], at(4999), RULE), [0; 0]);
    assert_eq!(to_ask(&[busy(4990), busy(4990)], at(5000), RULE), [0, 1]);
    let asked = TrafficSnapshot { last_asked: Some(at(1000)), ..busy(4990) };
    assert_eq!(to_ask(&[busy(4990), asked], at(5000), RULE), [0], "once is enough");
}

#[test]
fn other_backends_are_asked_when_their_answers_are_needed_as_evidence() {
    let quiet = TrafficSnapshot { last_sign: Some(at(100)), ..well() };
    assert_eq!(to_ask(&[quiet, stalled(), quiet, quiet], at(2300), RULE), [0, 2, 3], "they are quiet");
    let short = TrafficSnapshot { last_sign: Some(at(2200)), ..well() };
    assert_eq!(to_ask(&[short, stalled(), short, short], at(2300), RULE), [2, 3], "two are enough");
    assert_eq!(to_ask(&[short, stalled(), well(), short], at(2995), RULE), [0; 0]);
    let asked = TrafficSnapshot { asked: Some(at(2300)), ..quiet };
    assert_eq!(to_ask(&[asked, stalled()], at(2350), RULE), [0; 0], "once is enough");
    let dead = TrafficSnapshot { up: false, ..quiet };
    assert_eq!(to_ask(&[dead, stalled()], at(2350), RULE), [0; 0]);
}

#[test]
fn one_silent_backend_among_answering_ones_is_suspected() {
    assert_eq!(silent(&[well(), stalled(), well()], at(3000), RULE), [(1, ms(990))]);
}

#[test]
fn one_waiting_request_takes_a_longer_question() {
    let one = TrafficSnapshot { unanswered: 1, ..stalled() };
    assert_eq!(silent(&[well(), one], at(3259), RULE), []);
    assert_eq!(silent(&[well(), one], at(3260), RULE), [(1, ms(1250))]);
}

#[test]
fn a_question_has_a_time_limit_however_long_answers_usually_take() {
    let slow = TrafficSnapshot { usual: ms(60_000), asked: Some(at(3010)), ..stalled() };
    let witness = |sign| TrafficSnapshot { last_sign: Some(at(sign)), ..well() };
    assert_eq!(to_ask(&[well(), TrafficSnapshot { asked: None, ..slow }], at(3010), RULE), [1]);
    assert_eq!(silent(&[witness(4500), slow], at(4509), RULE), []);
    assert_eq!(silent(&[witness(4500), slow], at(4510), RULE), [(1, ms(2500))]);
}

#[test]
fn each_condition_is_needed() {
    let table = [
        ("it was not asked", TrafficSnapshot { asked: None, ..stalled() }),
        ("the question is too young", TrafficSnapshot { asked: Some(at(2760)), ..stalled() }),
        (
            "the requests have not waited for long",
            TrafficSnapshot { waiting_since: Some(at(2600)), enough_since: Some(at(2600)), ..stalled() },
        ),
        ("it usually takes that long", TrafficSnapshot { usual: ms(500), ..stalled() }),
        ("it is out already", TrafficSnapshot { up: false, ..stalled() }),
        ("it has said a word since", TrafficSnapshot { last_sign: Some(at(2995)), ..stalled() }),
    ];
    for (why_not, one) in table {
        assert_eq!(silent(&[well(), one], at(3000), RULE), [], "{why_not}");
    }
}

#[test]
fn a_backend_that_never_sent_a_byte_can_be_suspected() {
    let mute = TrafficSnapshot { last_sign: None, ..stalled() };
    assert_eq!(silent(&[mute, well()], at(3000), RULE), [(0, ms(990))]);
}

#[test]
fn when_all_are_silent_none_is_suspected() {
    assert_eq!(silent(&[stalled(), stalled()], at(3000), RULE), []);
    assert_eq!(silent(&[stalled()], at(3000), RULE), [], "nor is the only one");
    let quiet = TrafficSnapshot { last_sign: Some(at(2200)), ..well() };
    assert_eq!(silent(&[stalled(), quiet], at(3000), RULE), [], "the other spoke before the question");
    let dead = TrafficSnapshot { up: false, ..well() };
    assert_eq!(silent(&[stalled(), dead], at(3000), RULE), []);
}

#[test]
fn the_estimate_follows_the_latency() {
    let mut estimate = Estimate::default();
    for _ in 0..100 {
        estimate = estimate.with(ms(10));
    }
    assert!(estimate.usual() < ms(11), "{estimate:?}");
    // One answer in fifty takes 5 s: for the next few answers long waits are ordinary.
    assert!(estimate.with(ms(5000)).usual() > ms(5000));
}

/// A backend that sent its last byte then.
fn answered(n: u64) -> TrafficSnapshot {
    TrafficSnapshot { last_sign: Some(at(n)), ..well() }
}

#[test]
fn a_question_from_before_the_wait_counts_from_the_wait() {
    // Asked at 1,000 ms because it got no requests; a request waits since 2,900 ms.
    let early = TrafficSnapshot {
        answers_questions: false,
        last_sign: None,
        waiting_since: Some(at(2900)),
        asked: Some(at(1000)),
        ..waited_for()
    };
    assert_eq!(silent(&[well(), early], at(2990), RULE), []);
    assert_eq!(silent(&[answered(3800), early], at(3899), RULE), []);
    assert_eq!(silent(&[answered(3800), early], at(3900), RULE), [(1, ms(1000))]);
}

#[test]
fn a_backend_that_ignores_questions_is_never_silent() {
    let ignores = TrafficSnapshot { ignores_questions: true, answers_questions: false, ..stalled() };
    assert_eq!(silent(&[answered(9000), ignores], at(9000), RULE), []);
}
