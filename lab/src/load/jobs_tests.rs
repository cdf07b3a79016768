//! Tests: jobs in closed and in open loop, and the end of a load.

use super::*;
use crate::load::draws::Seed;
use crate::load::rates::Rates;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Ten requests a second, this number of them.
fn queue(pacing: Pacing, requests: u64) -> JobQueue {
    let schedule = Schedule::new(Seed(1), [10.0], &Arrivals::Even, Rates::new([])).limit(requests);
    JobQueue::new(schedule, pacing)
}

fn job(number: u64, due: Option<u64>) -> Step {
    Step::Do(Job { number, call: 0, due: due.map(MS) })
}

#[test]
fn a_closed_loop_gives_each_job_at_once_and_ends() {
    let mut queue = queue(Pacing::Closed(1), 2);
    assert_eq!(queue.pass(MS(1000)), Pass::Change, "the pacer has nothing to do");
    let steps: [Step; 4] = std::array::from_fn(|_| queue.step(0));
    assert_eq!(steps, [job(0, None), job(1, None), Step::End, Step::End]);
}

#[test]
fn an_open_loop_gives_each_job_when_it_is_due_and_ends() {
    let mut queue = queue(Pacing::Open, 3);
    assert_eq!(queue.step(0), Step::Wait);
    assert_eq!([queue.pass(MS(0)), queue.pass(MS(0))], [Pass::HandedOut, Pass::Until(MS(100))]);
    assert_eq!([queue.step(0), queue.step(0)], [job(0, Some(0)), Step::Wait]);
    // The pacer is late: two jobs are due.
    let passes: [Pass; 3] = std::array::from_fn(|_| queue.pass(MS(250)));
    assert_eq!(passes, [Pass::HandedOut, Pass::HandedOut, Pass::Change]);
    assert_eq!([queue.step(0), queue.step(0)], [job(1, Some(100)), job(2, Some(200))]);
    assert_eq!(queue.step(0), Step::End);
}

#[test]
fn jobs_that_were_due_at_the_stop_are_unsent() {
    let mut queue = queue(Pacing::Open, 9);
    for _ in 0..5 {
        queue.pass(MS(300));
    }
    assert_eq!(queue.step(0), job(0, Some(0)));
    queue.stop();
    assert_eq!((queue.step(0), queue.unsent), (Step::End, 3));
}

#[test]
fn those_that_wait_for_a_time_are_woken_in_order() {
    let mut queue = queue(Pacing::Closed(1), 1);
    let mut sleepers = [30, 10, 20, 10].map(|until| queue.sleep(MS(until)));
    assert_eq!(queue.pass(MS(0)), Pass::Until(MS(10)));
    assert_eq!(queue.pass(MS(25)), Pass::Until(MS(30)));
    let woken = sleepers.each_mut().map(|sleeper| sleeper.try_recv().is_ok());
    assert_eq!(woken, [false, true, true, true]);
    queue.stop();
    assert_eq!(sleepers[0].try_recv(), Err(oneshot::error::TryRecvError::Closed));
}

#[test]
fn the_pacer_looks_at_requests_and_at_those_that_wait() {
    let mut queue = queue(Pacing::Open, 9);
    let _sleepers = [150, 50].map(|until| queue.sleep(MS(until)));
    let passes = [0, 0, 50, 100, 100, 150].map(|now| queue.pass(MS(now)));
    let until = |ms| Pass::Until(MS(ms));
    assert_eq!(passes, [Pass::HandedOut, until(50), until(100), Pass::HandedOut, until(150), until(200)]);
}

#[test]
fn a_loop_can_be_closed_and_opened_again() {
    let mut queue = queue(Pacing::Open, 99);
    assert_eq!([queue.pass(MS(0)), queue.pass(MS(100))], [Pass::HandedOut, Pass::HandedOut]);
    queue.close(2, 4).unwrap();
    assert_eq!(queue.pass(MS(200)), Pass::Change);
    // First those that were due, by any connection; then each client gets one after the other.
    assert_eq!([queue.step(3), queue.step(3)], [job(0, Some(0)), job(1, Some(100))]);
    assert_eq!([queue.step(3), queue.step(2)], [Step::Wait, Step::Wait]);
    assert_eq!([queue.step(1), queue.step(0), queue.step(1)], [2, 3, 4].map(|number| job(number, None)));
    // After the last request of the closed loop, the next one is due at the distance of the new rate.
    queue.open(MS(1000), 5.0).unwrap();
    assert_eq!((queue.step(0), queue.pass(MS(1000))), (Step::Wait, Pass::Until(MS(1200))));
    assert_eq!((queue.pass(MS(1200)), queue.step(3)), (Pass::HandedOut, job(5, Some(1200))));
}

#[test]
fn a_closed_loop_sends_after_a_rate_of_zero() {
    let mut queue = queue(Pacing::Open, 100);
    queue.open(MS(0), 0.0).unwrap();
    assert_eq!((queue.pass(MS(1000)), queue.step(0)), (Pass::Change, Step::Wait));
    queue.close(1, 2).unwrap();
    assert_eq!((queue.step(0), queue.step(0)), (job(0, None), job(1, None)));
    // The open loop goes on from the last request, at its own rate.
    queue.open(MS(2000), 0.0).unwrap();
    assert_eq!((queue.pass(MS(9000)), queue.step(0)), (Pass::Change, Step::Wait));
}

#[test]
fn changes_that_cannot_be_are_refused() {
    let trace = Arrivals::Trace(vec![MS(1)]);
    let traced = || {
        let schedule = Schedule::new(Seed(1), [10.0], &trace, Rates::new([]));
        JobQueue::new(schedule, Pacing::Open)
    };
    let [open, closed] = [Pacing::Open, Pacing::Closed(1)].map(|pacing| move || queue(pacing, 9));
    for (refused, reason) in [
        (closed().set_rate(MS(0), 1.0), "a closed loop has no rate"),
        (open().set_rate(MS(0), -1.0), "-1 requests a second: a rate is zero"),
        (open().set_rate(MS(0), f64::INFINITY), "a positive number"),
        (closed().open(MS(0), f64::NAN), "a positive number"),
        (open().close(0, 4), "at least one"),
        (open().close(5, 4), "5 clients need 5 connections, and the load has 4"),
        (open().set_arrivals(&trace), "cannot get a trace"),
        (traced().set_rate(MS(0), 1.0), "a trace has its own times"),
        (traced().set_arrivals(&Arrivals::Even), "a trace has its own times"),
    ] {
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains(reason), "{error:?} lacks {reason:?}");
    }
}
