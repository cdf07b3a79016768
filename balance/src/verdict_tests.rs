//! Tests: the verdict table, row by row, and the properties of every row.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { retries: 3, retry_delay: Duration::from_millis(10), attempts: 3 };
const AGAIN: Next = Next::Retry(LIMITS.retry_delay);

/// A request at its first try, with enough time left.
fn facts(failure: Failure, repeatable: bool) -> Facts {
    Facts {
        failure,
        repeatable,
        retries: 0,
        attempts: 1,
        may_have_run: false,
        budget_left: true,
        backend_is_out: false,
        other_is_up: true,
        time_left: true,
    }
}

#[test]
fn the_table() {
    use Blame::{Backend, Balancer, Client, NoParty};
    use Failure::*;
    use Next::{GiveUp, MoveOn, Reconnect};
    // Columns: at first; when the retries are used up; when the attempts are also used up. Each has a value
    // for a request that may be repeated and for one that may not.
    #[rustfmt::skip]
    let table = [
        //                first              retries used up       attempts too       blame     status
        (ConnectRefused, [AGAIN,     AGAIN],     [MoveOn, MoveOn], [GiveUp, GiveUp], Backend,  503),
        (Unreachable,    [AGAIN,     AGAIN],     [MoveOn, MoveOn], [GiveUp, GiveUp], Backend,  503),
        (Unresolved,     [AGAIN,     AGAIN],     [MoveOn, MoveOn], [GiveUp, GiveUp], Backend,  503),
        (ConnectTimeout, [MoveOn,    MoveOn],    [MoveOn, MoveOn], [GiveUp, GiveUp], Backend,  504),
        (QueueFull,      [MoveOn,    MoveOn],    [MoveOn, MoveOn], [GiveUp, GiveUp], NoParty,  503),
        (QueueTimeout,   [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], NoParty,  503),
        (WentDown,       [MoveOn,    MoveOn],    [MoveOn, MoveOn], [GiveUp, GiveUp], NoParty,  503),
        (ClosedUnsent,   [AGAIN,     AGAIN],     [MoveOn, MoveOn], [GiveUp, GiveUp], Backend,  502),
        (StaleUnsent,    [Reconnect, Reconnect], [Reconnect; 2],   [Reconnect; 2],   NoParty,  502),
        (StaleMaybeSent, [MoveOn,    GiveUp],    [MoveOn, GiveUp], [Reconnect, GiveUp], NoParty, 502),
        (ClosedEarly,    [MoveOn,    GiveUp],    [MoveOn, GiveUp], [GiveUp, GiveUp], Backend,  502),
        (HeadTimeout,    [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Backend,  504),
        (FellSilent,     [MoveOn,    GiveUp],    [MoveOn, GiveUp], [GiveUp, GiveUp], Backend,  504),
        (ChosenStatus,   [MoveOn,    GiveUp],    [MoveOn, GiveUp], [GiveUp, GiveUp], NoParty,  502),
        (Malformed,      [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Backend,  502),
        (BrokeOff,       [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Backend,  502),
        (ClientGone,     [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Client,   400),
        (BadUpload,      [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Client,   400),
        (LargeUpload,    [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Client,   413),
        (SlowUpload,     [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Client,   408),
        (OutOfResources, [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], Balancer, 503),
        (NoBackend,      [GiveUp,    GiveUp],    [GiveUp, GiveUp], [GiveUp, GiveUp], NoParty,  503),
    ];
    assert_eq!(table.map(|row| row.0), Failure::VARIANTS, "every failure has its row");
    for (failure, first, retried, spent, blame, status) in table {
        for (column, repeatable) in [true, false].into_iter().enumerate() {
            let at =
                |retries, attempts| judge(Facts { retries, attempts, ..facts(failure, repeatable) }, LIMITS);
            let row = format!("{failure:?}, repeatable: {repeatable}");
            assert_eq!(at(0, 1).next, first[column], "{row}, at first");
            assert_eq!(at(3, 1).next, retried[column], "{row}, retries used up");
            assert_eq!(at(3, 3).next, spent[column], "{row}, attempts used up");
            assert_eq!(at(0, 1).blame, blame, "{row}");
        }
        assert_eq!(failure.status().as_u16(), status, "{failure:?}");
    }
}

#[test]
fn only_a_backend_that_cannot_be_reached_is_taken_down_by_requests() {
    let after = |failure, retries| judge(Facts { retries, ..facts(failure, true) }, LIMITS).lesson;
    for failure in Failure::VARIANTS {
        let expected = match failure {
            Failure::ConnectRefused | Failure::Unreachable | Failure::Unresolved => Lesson::Down,
            Failure::ConnectTimeout
            | Failure::ClosedUnsent
            | Failure::ClosedEarly
            | Failure::HeadTimeout
            | Failure::Malformed
            | Failure::BrokeOff => Lesson::Ask,
            _ => Lesson::Nothing,
        };
        assert_eq!(after(*failure, 3), expected, "{failure:?}");
    }
    assert_eq!(after(Failure::ConnectRefused, 2), Lesson::Nothing, "it is tried again there");
    let hurried = Facts { retries: 1, time_left: false, ..facts(Failure::ConnectRefused, true) };
    assert_eq!(judge(hurried, LIMITS).lesson, Lesson::Ask, "it leaves before its retries are used up");
}

#[test]
fn the_cause_says_how_often_the_request_tried() {
    let cause = |limits: Limits| limits.cause(Failure::ConnectRefused);
    assert_eq!(cause(LIMITS), "connection refused, after 3 retries");
    assert_eq!(cause(Limits { retries: 0, ..LIMITS }), "connection refused");
}

#[test]
fn a_backend_that_was_taken_down_meanwhile_is_not_tried_again() {
    let verdict = judge(Facts { backend_is_out: true, ..facts(Failure::ConnectRefused, true) }, LIMITS);
    assert_eq!(verdict.next, Next::MoveOn);
}

#[test]
fn without_a_budget_only_what_is_free_is_repeated() {
    let next = |failure| judge(Facts { budget_left: false, ..facts(failure, true) }, LIMITS).next;
    for failure in
        [Failure::ConnectRefused, Failure::ConnectTimeout, Failure::ClosedEarly, Failure::FellSilent]
    {
        assert_eq!(next(failure), Next::GiveUp, "{failure:?}");
    }
    assert_eq!(next(Failure::StaleUnsent), Next::Reconnect);
}

#[test]
fn a_request_stays_where_no_other_can_take_it() {
    let alone = |failure| judge(Facts { other_is_up: false, ..facts(failure, true) }, LIMITS).next;
    assert_eq!(alone(Failure::StaleMaybeSent), Next::Reconnect);
    assert_eq!(alone(Failure::ClosedEarly), Next::MoveOn, "if there is none to move on to, it ends there");
}

#[test]
fn a_chosen_status_is_no_evidence_and_never_goes_back_to_the_same_backend() {
    for (repeatable, retries) in [(true, 0), (true, 3), (false, 0), (false, 3)] {
        let verdict = judge(Facts { retries, ..facts(Failure::ChosenStatus, repeatable) }, LIMITS);
        assert_eq!((verdict.blame, verdict.lesson), (Blame::NoParty, Lesson::Nothing));
        assert_eq!(verdict.next, if repeatable { Next::MoveOn } else { Next::GiveUp });
    }
    let late = judge(Facts { time_left: false, ..facts(Failure::ChosenStatus, true) }, LIMITS);
    assert_eq!(late.next, Next::GiveUp);
}

#[test]
fn what_may_have_run_is_repeated_once() {
    for failure in Failure::VARIANTS.iter().filter(|failure| failure.rule().ran == Ran::Maybe) {
        let verdict = judge(Facts { may_have_run: true, ..facts(*failure, true) }, LIMITS);
        assert_eq!(verdict.next, Next::GiveUp, "{failure:?}");
    }
    let unsent = judge(Facts { may_have_run: true, ..facts(Failure::ConnectTimeout, true) }, LIMITS);
    assert_eq!(unsent.next, Next::MoveOn, "what was not sent this time may still go elsewhere");
}

#[test]
fn idempotent_methods_are_those_of_the_rfc() {
    for name in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(is_idempotent(&name.parse().unwrap()), "{name}");
    }
    for name in ["POST", "PATCH", "CONNECT", "PROPFIND", "get"] {
        assert!(!is_idempotent(&name.parse().unwrap()), "{name}");
    }
}

prop_compose! {
    fn any_facts()(
        failure in proptest::sample::select(Failure::VARIANTS.to_vec()),
        repeatable: bool,
        retries in 0..6u32,
        attempts in 1..6u32,
        may_have_run: bool,
        budget_left: bool,
        backend_is_out: bool,
        other_is_up: bool,
        time_left: bool,
    ) -> Facts {
        Facts {
            failure,
            repeatable,
            retries,
            attempts,
            may_have_run,
            budget_left,
            backend_is_out,
            other_is_up,
            time_left,
        }
    }
}

proptest! {
    /// The most important promise: a request that may have been executed is executed again only if that is
    /// safe.
    #[test]
    fn what_may_have_run_is_not_run_again_unless_it_may(facts in any_facts()) {
        let surely_unsent = matches!(
            facts.failure,
            Failure::ConnectRefused
                | Failure::Unreachable
                | Failure::Unresolved
                | Failure::ConnectTimeout
                | Failure::QueueFull
                | Failure::WentDown
                | Failure::ClosedUnsent
                | Failure::StaleUnsent
        );
        let verdict = judge(facts, LIMITS);
        let answered = facts.failure == Failure::ChosenStatus;
        let may_run_again = facts.repeatable && (!facts.may_have_run || answered);
        prop_assert!(verdict.next == Next::GiveUp || surely_unsent || may_run_again);
        prop_assert!(verdict.may_have_run != surely_unsent || matches!(
            facts.failure,
            Failure::QueueTimeout | Failure::OutOfResources | Failure::NoBackend | Failure::ChosenStatus
        ));
    }

    #[test]
    fn limits_are_kept(facts in any_facts()) {
        match judge(facts, LIMITS).next {
            Next::Retry(_) => prop_assert!(facts.retries < LIMITS.retries),
            Next::MoveOn => prop_assert!(facts.attempts < LIMITS.attempts),
            Next::Reconnect | Next::GiveUp => {}
        }
        prop_assert!(facts.time_left || judge(facts, LIMITS).next == Next::GiveUp);
    }

    #[test]
    fn only_backends_that_are_to_blame_are_taken_down(facts in any_facts()) {
        let verdict = judge(facts, LIMITS);
        prop_assert!(verdict.lesson == Lesson::Nothing || verdict.blame == Blame::Backend);
    }
}
