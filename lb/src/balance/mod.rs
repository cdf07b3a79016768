//! Who gets the next request? The backends, which of them are alive, and whose turn it is.
//!
//! Nothing in this folder does I/O, reads a clock or draws a random number: what time it is, and what was
//! seen of a backend, come in as arguments. So every decision here is tested by tables, without a socket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

mod backend;
pub mod budget;
pub mod health;
pub mod member;
pub mod outlier;
pub mod policy;
pub mod silence;

pub use backend::{Address, Backend, InFlight, Waiting};
use health::{Evidence, State, Thresholds};
use policy::Policy;

use crate::observe::{Observer, StateChange};

/// The backends behind one address, and the rule by which they take turns.
#[derive(Debug)]
pub struct ServerPool {
    backends: Vec<Arc<Backend>>,
    /// The backends that get requests. A change of state (rare) publishes a new list; a pick (hot) reads the
    /// list it finds without taking a lock.
    alive: ArcSwap<Vec<Arc<Backend>>>,
    /// Serialises changes of state with the publishing of the list, so that the list published last is the
    /// one that reflects the states as they are last.
    publishing: Mutex<()>,
    /// Takes the turns of requests at their first attempt.
    policy: Box<dyn Policy>,
    /// Takes the turns of requests that failed elsewhere. With one turn for both, a failing backend and a
    /// retry would alternate, and the backend behind the failing one would be skipped each time.
    policy_for_retries: Box<dyn Policy>,
    thresholds: Thresholds,
    silence: silence::Rule,
    epoch: Instant,
    observer: Arc<Observer>,
}

impl ServerPool {
    /// A pool of backends, all taken to be up until something is known of them. `policy` makes the policy.
    pub fn new(
        addresses: Vec<Address>,
        policy: fn() -> Box<dyn Policy>,
        thresholds: Thresholds,
        silence: silence::Rule,
        observer: Arc<Observer>,
        now: Instant,
    ) -> Self {
        let backends: Vec<_> = addresses
            .into_iter()
            .zip(1..)
            .map(|(address, number)| Arc::new(Backend::new(number, address, now)))
            .collect();
        let alive = ArcSwap::from_pointee(backends.clone());
        Self {
            backends,
            alive,
            publishing: Mutex::new(()),
            policy: policy(),
            policy_for_retries: policy(),
            thresholds,
            silence,
            epoch: now,
            observer,
        }
    }

    /// All backends, dead or alive, by number.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The name of the policy in force.
    pub fn policy(&self) -> &'static str {
        self.policy.name()
    }

    /// How much evidence a change of state needs.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// When waiting becomes silence.
    pub fn silence_rule(&self) -> silence::Rule {
        self.silence
    }

    /// The backend whose turn it is, among those that are alive and that this request has not `tried`
    /// (numbers). `None` when there is no such backend.
    pub fn next_peer(&self, tried: &[usize]) -> Option<Arc<Backend>> {
        let alive = self.alive.load();
        if tried.is_empty() {
            return self.policy.pick(&alive).map(|index| Arc::clone(&alive[index]));
        }
        // Only a request that failed somewhere gets here, so a fresh list is affordable; and a turn among the
        // others is fair, where "the next one in the row" would give a dead backend's share to its neighbour.
        let untried: Vec<_> =
            alive.iter().filter(|backend| !tried.contains(&backend.number)).map(Arc::clone).collect();
        self.policy_for_retries.pick(&untried).map(|index| Arc::clone(&untried[index]))
    }

    /// Takes in what was seen of a backend. A change of state is published to all workers and reported once.
    pub fn learn(&self, backend: &Backend, evidence: Evidence, now: Instant) {
        let _publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let change = backend.with_health(|health| health.step(now, evidence, self.thresholds));
        if let Some(change) = change {
            if change.to == State::Up {
                backend.begin_anew();
            }
            self.alive.store(Arc::new(self.eligible()));
            self.observer.state_changed(StateChange::new(
                backend.number,
                change.from.name(),
                change.to.name(),
                change.cause,
            ));
        }
    }

    /// A byte came from the backend: an answer, or more of one. That it speaks at all is news of a suspect only; what
    /// it says may still break off.
    pub fn heard(&self, backend: &Backend, now: Instant) {
        backend.heard(now);
        if backend.is(State::Suspect) {
            self.learn(backend, Evidence::Answered, now);
        }
    }

    /// The backend has given a whole answer. The clock is read only if that changes anything.
    pub fn answered(&self, backend: &Backend, now: impl FnOnce() -> Instant) {
        if backend.answer_matters() {
            self.learn(backend, Evidence::Answered, now());
        }
    }

    /// Looks at all backends' traffic and suspects those that have fallen silent.
    pub fn judge_silence(&self, now: Instant) {
        let glances: Vec<_> = self.backends.iter().map(|backend| backend.glance()).collect();
        for (index, silent) in
            silence::silent(&glances, now.saturating_duration_since(self.epoch), self.silence)
        {
            let waiting = glances[index].unanswered;
            let cause = format!("silent for {} ms while {waiting} requests wait", silent.as_millis());
            self.learn(&self.backends[index], Evidence::FellSilent(cause.into()), now);
        }
    }

    /// How long until a backend that came back now would be used: the honest value for `Retry-After`.
    pub fn recovery_time(&self, ping_interval: Duration) -> Duration {
        ping_interval * self.thresholds.rise
    }

    /// Those that are up. If none is, the suspects: they may yet answer, the dead will not.
    fn eligible(&self) -> Vec<Arc<Backend>> {
        let which = |state| -> Vec<_> {
            self.backends.iter().filter(|backend| backend.health().state() == state).map(Arc::clone).collect()
        };
        let up = which(State::Up);
        if up.is_empty() { which(State::Suspect) } else { up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(n: u16) -> ServerPool {
        ServerPool::new(
            (1..=n).map(|number| Address { host: "127.0.0.1".into(), port: 3030 + number }).collect(),
            || Box::new(policy::RoundRobin::default()),
            Thresholds { rise: 2, fall: 3 },
            silence::Rule { waiting: 3, at_least: Duration::from_millis(500) },
            Arc::new(Observer::new(false)),
            Instant::now(),
        )
    }

    fn take_down(pool: &ServerPool, number: usize) {
        pool.learn(&pool.backends()[number - 1], Evidence::GaveUp("test".into()), Instant::now());
    }

    fn shares(pool: &ServerPool, picks: usize) -> Vec<usize> {
        let mut shares = vec![0; pool.backends().len()];
        for _ in 0..picks {
            shares[pool.next_peer(&[]).unwrap().number - 1] += 1;
        }
        shares
    }

    #[test]
    fn turns_go_round_the_living() {
        let pool = pool(4);
        assert_eq!(shares(&pool, 400), [100, 100, 100, 100]);
        take_down(&pool, 2);
        assert_eq!(shares(&pool, 300), [100, 0, 100, 100], "a dead backend's share goes to all others");
        for _ in 0..2 {
            pool.learn(&pool.backends()[1], Evidence::Connected, Instant::now());
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
            assert_eq!(pool.next_peer(&[1, 3]).unwrap().number, 2);
        }
        assert!(pool.next_peer(&[1, 2, 3]).is_none());
    }

    #[test]
    fn retries_do_not_take_turns_from_first_attempts() {
        let pool = pool(4);
        let mut first = [0; 4];
        for _ in 0..400 {
            let backend = pool.next_peer(&[]).unwrap().number;
            first[backend - 1] += 1;
            if backend == 2 {
                pool.next_peer(&[2]).unwrap();
            }
        }
        assert_eq!(first, [100; 4]);
    }

    #[test]
    fn a_backend_that_is_back_is_not_suspected_for_what_it_left_unanswered() {
        let pool = pool(2);
        let at = |ms| pool.epoch + Duration::from_millis(ms);
        let states = || [0, 1].map(|index: usize| pool.backends()[index].health().state());
        let silent = &pool.backends()[0];
        let _uploads = [1, 2, 3].map(|ms| Waiting::new(silent, at(ms), 3));
        pool.heard(&pool.backends()[1], at(600));
        pool.judge_silence(at(600));
        assert_eq!(states(), [State::Suspect, State::Up]);
        // A ping is answered, while the requests that could not leave still wait.
        pool.learn(silent, Evidence::Answered, at(700));
        pool.judge_silence(at(701));
        assert_eq!(states(), [State::Up, State::Up]);
        // Only others that wait as long make it suspect again.
        let _more = [710, 720, 730].map(|ms| Waiting::new(silent, at(ms), 3));
        pool.heard(&pool.backends()[1], at(1220));
        pool.judge_silence(at(1229));
        assert_eq!(states(), [State::Up, State::Up]);
        pool.judge_silence(at(1230));
        assert_eq!(states(), [State::Suspect, State::Up]);
    }

    #[test]
    fn suspects_are_the_last_resort() {
        let pool = pool(2);
        pool.learn(&pool.backends()[0], Evidence::FellSilent("test".into()), Instant::now());
        assert_eq!(shares(&pool, 10), [0, 10]);
        take_down(&pool, 2);
        assert_eq!(shares(&pool, 10), [10, 0], "better a suspect than nobody");
        take_down(&pool, 1);
        assert!(pool.next_peer(&[]).is_none());
    }
}
