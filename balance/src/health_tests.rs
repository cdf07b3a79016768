//! Tests: which evidence changes which state, step by step and as properties.

use proptest::prelude::*;

use super::*;

const THRESHOLDS: Thresholds = Thresholds { rise: 2, fall: 3 };

fn refused() -> Evidence {
    Evidence::PingRefused("connection refused".into())
}

fn cannot_connect(refused: bool) -> Evidence {
    Evidence::CannotConnect { cause: "connection refused, after 3 retries".into(), refused }
}

/// Gives the evidence to a backend that has answered once, and returns the states in their order.
fn states(evidence: &[Evidence]) -> Vec<State> {
    let now = Moment::START;
    let mut health = Health::new(now);
    health.step(now, Evidence::Connected, THRESHOLDS);
    evidence
        .iter()
        .map(|seen| {
            health.step(now, seen.clone(), THRESHOLDS);
            health.state()
        })
        .collect()
}

#[test]
fn evidence_leads_to_states() {
    use Evidence::{Answered, Connected, StillSilent, TimePassed};
    use State::{Down, Ejected, Suspect, Up};
    let stood_out = |ms| Evidence::Outlier("5 errors in a row".into(), Duration::from_millis(ms));
    let failed = || Evidence::PingFailed("no answer in time".into());
    let not_http = || Evidence::NotHttp("connection closed before the answer began".into());
    let gave_up = || cannot_connect(true);
    let silent = || Evidence::FellSilent("silent for 600 ms".into());
    let returned = || Evidence::Returned("it is back from drain".into());
    let table = [
        ("three failed pings take it down", vec![refused(), refused(), refused()], vec![Up, Up, Down]),
        ("all failed checks share one counter", vec![failed(), refused(), not_http()], vec![Up, Up, Down]),
        (
            "an answer between failures starts the count again",
            vec![refused(), failed(), Answered, refused(), refused()],
            vec![Up, Up, Up, Up, Up],
        ),
        (
            "a connection undoes failures to connect",
            vec![refused(), failed(), Connected, refused(), refused()],
            vec![Up, Up, Up, Up, Up],
        ),
        (
            "a connection proves nothing about a process that does not answer",
            vec![not_http(), Connected, not_http(), Connected, not_http()],
            vec![Up, Up, Up, Up, Down],
        ),
        (
            "nor does it bring such a backend back",
            vec![not_http(), not_http(), not_http(), Connected, Connected, Answered, Connected],
            vec![Up, Up, Down, Down, Down, Down, Up],
        ),
        ("a request that cannot connect is enough", vec![gave_up()], vec![Down]),
        ("two pings bring it back", vec![gave_up(), Connected, Connected], vec![Down, Down, Up]),
        ("a backend that returns needs one ping", vec![returned(), Connected], vec![Down, Up]),
        (
            "and if that fails, as many as any other",
            vec![returned(), refused(), Connected, Connected],
            vec![Down, Down, Down, Up],
        ),
        (
            "an ejection is over when a backend returns",
            vec![stood_out(1000), returned(), Answered],
            vec![Ejected, Down, Up],
        ),
        (
            "the pings must be in a row",
            vec![gave_up(), Connected, refused(), Connected, Connected],
            vec![Down, Down, Down, Down, Up],
        ),
        (
            "a silent backend is suspected, and a TCP ping does not clear it",
            vec![silent(), Connected, Connected, StillSilent, Answered],
            vec![Suspect, Suspect, Suspect, Suspect, Up],
        ),
        (
            "a suspect that refuses connections is down",
            vec![silent(), refused(), refused(), refused()],
            vec![Suspect, Suspect, Suspect, Down],
        ),
        ("silence of a backend that is down changes nothing", vec![gave_up(), silent()], vec![Down, Down]),
        (
            "an ejected backend stays out until its time is over",
            vec![stood_out(1000), TimePassed],
            vec![Ejected, Ejected],
        ),
        ("then it gets requests again", vec![stood_out(0), Answered, TimePassed], vec![Ejected, Ejected, Up]),
        (
            "an ejected backend can go down",
            vec![stood_out(1000), refused(), refused(), refused(), TimePassed],
            vec![Ejected, Ejected, Ejected, Down, Down],
        ),
    ];
    for (rule, evidence, expected) in table {
        assert_eq!(states(&evidence), expected, "{rule}");
    }
}

#[test]
fn the_very_first_ping_decides_alone() {
    let now = Moment::START;
    let mut health = Health::new(now);
    let change = health.step(now, refused(), THRESHOLDS).unwrap();
    assert_eq!((change.from, change.to), (State::Up, State::Down));
    assert_eq!(change.cause, "connection refused");
}

#[test]
fn progress_counts_towards_the_next_state() {
    let now = Moment::START;
    let mut health = Health::new(now);
    health.step(now, Evidence::Connected, THRESHOLDS);
    assert_eq!(health.progress(THRESHOLDS), None);
    health.step(now, refused(), THRESHOLDS);
    assert_eq!(health.progress(THRESHOLDS), Some(Progress { towards: State::Down, count: 1, of: 3 }));
}

#[test]
fn only_a_backend_that_may_be_back_is_a_last_resort() {
    use Evidence::{Answered, Connected};
    let closed = || Evidence::NotHttp("closed".into());
    let table = [
        ("its port refused connections", vec![cannot_connect(true)], true),
        ("it cannot be reached", vec![cannot_connect(false)], false),
        ("a ping connected since", vec![cannot_connect(false), Connected], true),
        ("a ping timed out since", vec![cannot_connect(true), Evidence::PingFailed("late".into())], false),
        ("it accepts and does not answer", vec![closed(), closed(), closed(), Connected], false),
        ("it answered since", vec![closed(), closed(), closed(), Answered], true),
        ("it is up", vec![Connected], false),
    ];
    for (what, evidence, expected) in table {
        let now = Moment::START;
        let mut health = Health::new(now);
        health.step(now, Connected, THRESHOLDS);
        for seen in evidence {
            health.step(now, seen, THRESHOLDS);
        }
        assert_eq!(health.is_last_resort(), expected, "{what}");
    }
}

/// Takes a backend out in the ways in which a backend fails that serves requests and answers no question.
fn fail_questions(health: &mut Health, silently: bool, now: Moment) {
    match silently {
        true => _ = health.step(now, Evidence::FellSilent("silent for 600 ms".into()), THRESHOLDS),
        false => {
            (0..THRESHOLDS.fall)
                .for_each(|_| _ = health.step(now, Evidence::NotHttp("closed".into()), THRESHOLDS));
        }
    }
    assert!(matches!(health.state(), State::Down | State::Suspect));
}

#[test]
fn a_backend_that_answers_no_question_is_on_trial_again_after_twice_the_time() {
    let never = [5, 10, 20, 40, 80, 160, 300, 300];
    let before = [60, 120, 240, 300, 300];
    for silently in [false, true] {
        for (has_answered, times) in [(false, &never[..]), (true, &before)] {
            let mut now = Moment::START;
            let mut health = Health::new(now);
            health.step(now, Evidence::Connected, THRESHOLDS);
            if has_answered {
                health.question_answered();
            }
            // An answer to a request starts the times again.
            for seconds in times.iter().chain(&times[..2]) {
                fail_questions(&mut health, silently, now);
                let due = now + Duration::from_secs(*seconds);
                let early = now + Duration::from_millis(seconds * 1000 - 1);
                assert!(health.must_answer(early), "{seconds} s: a connection proves nothing yet");
                assert_eq!(health.step(early, Evidence::Connected, THRESHOLDS), None);
                now = due;
                assert!(!health.must_answer(now), "{seconds} s");
                assert_eq!(health.step(now, refused(), THRESHOLDS), None, "no trial without a connection");
                let change = health.step(now, Evidence::Connected, THRESHOLDS);
                assert_eq!(change.map(|change| change.to), Some(State::Up), "{seconds} s");
                assert!(!health.must_answer(now), "TCP pings count while it is up");
                if seconds == times.last().unwrap() && health.trials == times.len() as u32 {
                    assert!(health.answer_matters());
                    health.step(now, Evidence::Answered, THRESHOLDS);
                    assert!(!health.answer_matters(), "it has proven itself");
                }
            }
        }
    }
}

#[test]
fn an_answered_request_counts_for_a_backend_that_closes_the_connections_of_questions() {
    let now = Moment::START;
    let mut health = Health::new(now);
    health.step(now, Evidence::Connected, THRESHOLDS);
    fail_questions(&mut health, false, now);
    assert!(health.may_serve_requests_only() && !health.is_last_resort());
    assert!(health.answer_matters() && health.must_answer(now));
    assert_eq!(health.step(now, Evidence::Answered, THRESHOLDS), None, "one answer may be an old one");
    assert!(!health.must_answer(now), "a TCP ping is enough now");
    let change = health.step(now, Evidence::Connected, THRESHOLDS);
    assert_eq!(change.map(|change| change.to), Some(State::Up));
    // A backend that was down for another reason is up by its pings only.
    health.step(now, cannot_connect(true), THRESHOLDS);
    assert!(!health.answer_matters() && !health.may_serve_requests_only());
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        Just(Evidence::Connected),
        Just(Evidence::Answered),
        Just(Evidence::PingFailed("ping".into())),
        Just(Evidence::StillSilent),
        Just(refused()),
        Just(Evidence::NotHttp("closed".into())),
        any::<bool>().prop_map(cannot_connect),
        Just(Evidence::Returned("new".into())),
        Just(Evidence::FellSilent("silent".into())),
        Just(Evidence::Outlier("5 errors in a row".into(), Duration::ZERO)),
        Just(Evidence::TimePassed),
    ]
}

proptest! {
    #[test]
    fn transitions_are_consistent(evidence in proptest::collection::vec(any_evidence(), 0..200)) {
        let now = Moment::START;
        let mut health = Health::new(now);
        for seen in evidence {
            let before = health.clone();
            let matters = before.answer_matters();
            let change = health.step(now, seen.clone(), THRESHOLDS);
            match &change {
                Some(change) => {
                    prop_assert_ne!(change.from, change.to);
                    prop_assert_eq!(change.from, before.state());
                    prop_assert_eq!(change.to, health.state());
                }
                None => prop_assert_eq!(before.state(), health.state()),
            }
            if seen == Evidence::Answered && before.state() != State::Down && !matters {
                prop_assert_eq!(before.streak, health.streak, "an answer said not to matter did");
            }
            prop_assert!(health.streak < THRESHOLDS.fall.max(THRESHOLDS.rise));
        }
    }
}
