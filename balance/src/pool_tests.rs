//! Tests: which backend a pool picks, in which states, modes and levels, and how members come and go.

use super::*;
use crate::change::Update;
use crate::policy::Kind;
use crate::state::Thresholds;
use crate::{Address, InFlight, silence};

pub(crate) fn rules() -> Rules {
    Rules {
        policy: Kind::RoundRobin,
        load_view_delay: Duration::ZERO,
        subset: None,
        panic_threshold: 0,
        slow_start: Duration::ZERO,
        thresholds: Thresholds { rise: 2, fall: 3 },
        silence: silence::Rule { waiting: 3, at_least: Duration::from_millis(500) },
        outlier: outlier::Rule::OFF,
        retry_budget: None,
        ..Rules::default()
    }
}

pub(crate) fn member(number: u16) -> Member {
    Member::new(Address { host: "127.0.0.1".into(), port: 3030 + number })
}

pub(crate) fn pool_with(members: Vec<Member>, rules: Rules) -> ServerPool {
    ServerPool::new(members, rules, |_, _| (), Moment::START)
}

pub(crate) fn pool(n: u16) -> ServerPool {
    pool_with((1..=n).map(member).collect(), rules())
}

/// The number of the backend that gets the next request.
pub(super) fn next(pool: &ServerPool, tried: &[usize]) -> Option<usize> {
    next_at(pool, tried, Moment::START)
}

/// The same at this moment.
pub(crate) fn next_at(pool: &ServerPool, tried: &[usize], now: Moment) -> Option<usize> {
    let mut random = fastrand::Rng::with_seed(pool.requests());
    let mut request = Request { key: None, now, random: &mut random, notes: None };
    pool.next_backend(tried, None, &mut request).map(|backend| backend.number)
}

pub(crate) fn take_down(pool: &ServerPool, number: usize) {
    pool.learn(
        &pool.backends()[number - 1],
        Evidence::CannotConnect { cause: "test".into(), refused: false },
        Moment::START,
    );
}

pub(super) fn shares(pool: &ServerPool, picks: usize) -> Vec<usize> {
    let mut shares = vec![0; pool.backends().len()];
    for _ in 0..picks {
        shares[next(pool, &[]).unwrap() - 1] += 1;
    }
    shares
}

#[test]
fn turns_go_round_the_backends_that_are_alive() {
    let pool = pool(4);
    assert_eq!(shares(&pool, 400), [100, 100, 100, 100]);
    take_down(&pool, 2);
    assert_eq!(shares(&pool, 300), [100, 0, 100, 100], "a dead backend's share goes to all others");
    for _ in 0..2 {
        pool.learn(&pool.backends()[1], Evidence::Connected, Moment::START);
    }
    assert_eq!(shares(&pool, 400), [100, 100, 100, 100]);
}

#[test]
fn shares_are_exact_over_all_threads_together() {
    let pool = pool(4);
    let counts: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| shares(&pool, 1251))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total: Vec<usize> = (0..4).map(|b| counts.iter().map(|share| share[b]).sum()).collect();
    assert_eq!(total.iter().sum::<usize>(), 8 * 1251);
    assert!(total.iter().max().unwrap() - total.iter().min().unwrap() <= 1, "{total:?}");
}

#[test]
fn a_request_never_returns_to_a_backend_it_left() {
    let pool = pool(3);
    for _ in 0..10 {
        assert_eq!(next(&pool, &[1, 3]).unwrap(), 2);
    }
    assert!(next(&pool, &[1, 2, 3]).is_none());
}

#[test]
fn retries_do_not_take_turns_from_first_attempts() {
    let pool = pool(4);
    let mut first = [0; 4];
    for _ in 0..400 {
        let backend = next(&pool, &[]).unwrap();
        first[backend - 1] += 1;
        if backend == 2 {
            next(&pool, &[2]).unwrap();
        }
    }
    assert_eq!(first, [100; 4]);
}

#[test]
fn a_backend_that_returns_gets_nothing_before_a_ping_is_answered() {
    let mode = |mode| vec![Change::Update(Update { mode: Some(mode), ..Update::of(member(2).address) })];
    for out in [Mode::Drain, Mode::Maintenance] {
        let pool = pool(2);
        let now = Moment::START;
        pool.change(mode(out), now);
        pool.change(mode(Mode::Ready), now);
        assert_eq!(shares(&pool, 10), [10, 0], "{out}");
        pool.pinged(&pool.backends()[1], Evidence::Connected, now);
        assert_eq!(shares(&pool, 10), [5, 5], "{out}: one ping is enough");
        pool.change(mode(Mode::Ready), now);
        assert_eq!(shares(&pool, 10), [5, 5], "{out}: it was ready before");
    }
    let pool = pool(2);
    pool.change(vec![Change::Add(member(3))], Moment::START);
    assert_eq!(shares(&pool, 10), [5, 5, 0]);
    pool.pinged(&pool.backends()[2], Evidence::PingRefused("refused".into()), Moment::START);
    pool.pinged(&pool.backends()[2], Evidence::Connected, Moment::START);
    assert_eq!(shares(&pool, 10), [5, 5, 0], "after a failed ping, two are needed");
}

#[test]
fn suspects_are_the_last_resort() {
    let pool = pool(2);
    pool.learn(&pool.backends()[0], Evidence::FellSilent("test".into()), Moment::START);
    assert_eq!(shares(&pool, 10), [0, 10]);
    take_down(&pool, 2);
    assert_eq!(shares(&pool, 10), [10, 0], "a suspect is better than no backend");
    take_down(&pool, 1);
    assert!(next(&pool, &[]).is_none(), "they cannot be reached");
    pool.learn(&pool.backends()[0], Evidence::PingRefused("test".into()), Moment::START);
    assert_eq!(next(&pool, &[]), Some(1), "a port that refused connections may serve again");
}

/// The numbers of the backends that get the next `n` requests; each request finishes at once.
fn order(pool: &ServerPool, n: usize) -> Vec<usize> {
    (0..n).map(|_| next(pool, &[]).expect("a backend")).collect()
}

/// Takes backends down and up and picks, all at random, and reports a pick of a backend that is down.
fn dead_get_nothing(rules: Rules) -> Result<(), String> {
    let members = (1..=10).map(|number| Member { weight: u32::from(number % 4), ..member(number) });
    let pool = pool_with(members.collect(), rules);
    let mut random = fastrand::Rng::with_seed(4);
    let mut leases = Vec::new();
    for _ in 0..200 {
        let backend = &pool.backends()[random.usize(..10)];
        let evidence = if random.bool() {
            Evidence::CannotConnect { cause: "test".into(), refused: false }
        } else {
            Evidence::Connected
        };
        pool.learn(backend, evidence, Moment::START);
        for _ in 0..10 {
            let key = random.bool().then(|| random.u64(..));
            let mut request = Request { key, now: Moment::START, random: &mut random, notes: None };
            let tried: &[usize] = if leases.len() % 3 == 0 { &[1, 2] } else { &[] };
            let alive = pool.backends().iter().any(|backend| {
                backend.is(State::Up) && backend.weight() > 0 && !tried.contains(&backend.number)
            });
            let Some(picked) = pool.next_backend(tried, None, &mut request) else {
                if alive {
                    return Err("no backend was picked, although one is alive".into());
                }
                continue;
            };
            if alive && !picked.is(State::Up) || picked.weight() == 0 || tried.contains(&picked.number) {
                return Err(format!("{picked:?} was picked, although {tried:?} were tried"));
            }
            leases.push(InFlight::new(picked));
        }
        leases.drain(..leases.len().saturating_sub(30));
    }
    Ok(())
}

#[test]
fn under_every_policy_a_backend_that_is_down_gets_nothing_while_one_is_up() {
    for policy in <Kind as strum::VariantArray>::VARIANTS.iter().copied() {
        dead_get_nothing(Rules { policy, ..rules() }).unwrap_or_else(|why| panic!("{policy}: {why}"));
        // A panic ignores health, and this test must notice that.
        assert!(dead_get_nothing(Rules { policy, panic_threshold: 100, ..rules() }).is_err(), "{policy}");
    }
}

#[test]
fn a_new_policy_finds_the_values_of_the_previous_one() {
    let pool = pool(4);
    let held: Vec<_> =
        [1, 1, 2, 4].map(|number: usize| InFlight::new(Arc::clone(&pool.backends()[number - 1]))).into();
    take_down(&pool, 4);
    for policy in [Kind::LeastConnections, Kind::BoundedRing, Kind::RoundRobin, Kind::LeastConnections] {
        pool.set_rules(Rules { policy, ..rules() });
        assert_eq!(pool.backends().iter().map(|backend| backend.in_flight()).sum::<u32>(), 4);
        assert!(order(&pool, 20).iter().all(|number| *number != 4), "{policy}");
    }
    assert_eq!(order(&pool, 3), [3; 3], "the only one with nothing to do");
    drop(held);
    let mut all = order(&pool, 3);
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3], "what ended after the switch was heard of");
}

#[test]
fn a_turn_is_kept_through_changes_that_do_not_concern_it() {
    let pool = pool(4);
    assert_eq!(order(&pool, 2), [1, 2]);
    pool.set_rules(Rules { panic_threshold: 10, ..rules() });
    assert!(pool.change(Vec::new(), Moment::START).is_empty());
    assert_eq!(order(&pool, 3), [3, 4, 1]);
}

#[test]
fn a_removed_backend_finishes_its_requests_and_is_known_when_it_returns() {
    let pool = pool(3);
    let now = Moment::START;
    let lease = InFlight::new(Arc::clone(&pool.backends()[1]));
    take_down(&pool, 1);
    pool.change(vec![Change::Remove(member(2).address)], now);
    pool.pass_time(now);
    assert_eq!(order(&pool, 2), [3, 3]);
    assert_eq!(pool.fleet().leaving.len(), 1, "it still has a request");
    let new = pool.change(vec![Change::Add(member(2)), Change::Add(member(7)), Change::Add(member(3))], now);
    let numbers: Vec<_> = new.iter().map(|change| change.backend).collect();
    assert_eq!(numbers, [2, 4], "one is back under its number, one is new, one was there");
    assert_eq!(pool.backends()[1].in_flight(), 1);
    assert!(pool.fleet().leaving.is_empty());
    drop(lease);
    pool.change(vec![Change::Remove(member(2).address)], now);
    pool.pass_time(now);
    assert!(pool.fleet().leaving.is_empty(), "it has finished");
    assert!(pool.change(vec![Change::Remove(member(2).address)], now).is_empty());
    assert_eq!(pool.change(vec![Change::Add(member(2))], now)[0].backend, 2);
}

#[test]
fn backups_wait_until_no_other_backend_is_left() {
    let backup = Member { backup: true, ..member(3) };
    let pool = pool_with(vec![member(1), member(2), backup], rules());
    assert_eq!(shares(&pool, 10), [5, 5, 0]);
    take_down(&pool, 1);
    assert_eq!(shares(&pool, 10), [0, 10, 0]);
    assert_eq!(next(&pool, &[2]), Some(3), "a request that has tried all others may go there");
    take_down(&pool, 2);
    assert_eq!(shares(&pool, 10), [0, 0, 10]);
}

#[test]
fn a_level_that_is_too_weak_is_relieved_by_the_next() {
    let second = |number| Member { priority: 1, ..member(number) };
    let pool = pool_with(vec![member(1), member(2), second(3), second(4)], rules());
    assert_eq!(shares(&pool, 10), [5, 5, 0, 0]);
    take_down(&pool, 1);
    let mut random = fastrand::Rng::with_seed(1);
    let relieved = (0..1000).filter(|_| {
        let mut request = Request { key: None, now: Moment::START, random: &mut random, notes: None };
        pool.next_backend(&[], None, &mut request).unwrap().number > 2
    });
    assert!((250..350).contains(&relieved.count()), "half of it can carry 0.7");
    take_down(&pool, 2);
    assert_eq!(shares(&pool, 10), [0, 0, 5, 5]);
}

#[test]
fn in_a_panic_health_is_ignored() {
    let pool = pool_with((1..=4).map(member).collect(), Rules { panic_threshold: 50, ..rules() });
    take_down(&pool, 1);
    take_down(&pool, 2);
    assert_eq!(shares(&pool, 10), [0, 0, 5, 5], "half of them is enough");
    take_down(&pool, 3);
    assert_eq!(shares(&pool, 40), [10, 10, 10, 10]);
}

#[test]
fn in_a_panic_a_request_that_failed_goes_to_a_backend_that_is_up() {
    let pool = pool_with((1..=4).map(member).collect(), Rules { panic_threshold: 50, ..rules() });
    for number in [1, 2, 3] {
        pool.learn(&pool.backends()[number - 1], Evidence::FellSilent("test".into()), Moment::START);
    }
    assert_eq!(shares(&pool, 40), [10, 10, 10, 10]);
    for left in [1, 2, 3, 1, 2, 3] {
        assert_eq!(next(&pool, &[left]), Some(4), "after {left}");
    }
    assert!(next(&pool, &[4]).is_some_and(|number| number != 4), "without it, a suspect is better than none");
}

#[test]
fn a_draining_backend_gets_only_requests_with_its_cookie() {
    let spec = |mode| Change::Update(Update { mode: Some(mode), ..Update::of(member(2).address) });
    let pool = pool(2);
    let home = Some(pool.backends()[1].id);
    let visit = || {
        let mut random = fastrand::Rng::with_seed(1);
        let mut request = Request { key: None, now: Moment::START, random: &mut random, notes: None };
        pool.next_backend(&[], home, &mut request).unwrap().number
    };
    assert_eq!([visit(), visit()], [2, 2]);
    pool.change(vec![spec(Mode::Drain)], Moment::START);
    assert_eq!((shares(&pool, 10), visit()), (vec![10, 0], 2));
    pool.change(vec![spec(Mode::Maintenance)], Moment::START);
    assert_eq!((shares(&pool, 10), visit()), (vec![10, 0], 1));
    pool.change(vec![spec(Mode::Ready)], Moment::START);
    take_down(&pool, 2);
    assert_eq!(visit(), 1, "a cookie cannot lead to a backend that is down");
    pool.change(
        vec![Change::Update(Update { weight: Some(0), ..Update::of(member(1).address) })],
        Moment::START,
    );
    assert_eq!(next(&pool, &[]), None, "no weight, no request");
}

#[test]
fn a_full_backend_leaves_its_turn_to_the_others() {
    let limited = Member { limit: Some(2), ..member(2) };
    let pool = pool_with(vec![member(1), limited, member(3)], rules());
    let _held = [1, 2].map(|_| InFlight::new(Arc::clone(&pool.backends()[1])));
    assert_eq!(shares(&pool, 30), [15, 0, 15]);
    take_down(&pool, 1);
    take_down(&pool, 3);
    assert_eq!(next(&pool, &[]), Some(2), "its queue is the only place left");
}

#[test]
fn a_backend_that_comes_up_warms_up() {
    let window = Duration::from_secs(10);
    let pool = pool_with((1..=4).map(member).collect(), Rules { slow_start: window, ..rules() });
    let up = Moment::START;
    assert_eq!(shares(&pool, 40), [10; 4], "no backend has been down");
    take_down(&pool, 4);
    for _ in 0..2 {
        pool.learn(&pool.backends()[3], Evidence::Connected, up);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut share = |after: Duration| {
        let mut picked = 0;
        for _ in 0..40_000 {
            let mut request = Request { key: None, now: up + after, random: &mut random, notes: None };
            picked += usize::from(pool.next_backend(&[], None, &mut request).unwrap().number == 4);
        }
        picked
    };
    for (after, fair) in [(0, 1000), (2, 2000), (5, 5000), (9, 9000)] {
        let had = share(Duration::from_secs(after));
        assert!((fair * 9 / 10..fair * 11 / 10).contains(&had), "{had} after {after} s, not {fair}");
    }
    assert_eq!(share(window), 10_000);
}
