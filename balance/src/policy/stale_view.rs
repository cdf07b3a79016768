//! An old view of the loads: a policy that sees the load table as it was at the last refresh.
//!
//! *Idea*: balancers that share a load table, or get reports of their backends, never see the present loads.
//! *Formula*: time is cut into periods. The first pick of a period copies the loads and latencies of all
//! backends, and all picks of the period see these copies. *Source*: the periodic update model of
//! Mitzenmacher, "How Useful Is Old Information?" (2000). *Cost*: a copy of all loads once in a period, and a
//! look at the clock of the request for each pick; nothing at all without [`crate::Rules::load_view_delay`].
//!
//! The policy inside does not know of it: it gets copies of the backends instead of the backends. What else
//! decides about a pick, such as limits and slow start, still sees the present.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::about::Policy;
use super::list::position;
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;
use crate::member::Member;

/// A policy with an old view of the loads.
#[derive(Debug)]
pub(crate) struct StaleView {
    inner: Arc<dyn Policy>,
    /// The length of a period in microseconds, at least 1.
    period: u64,
    /// The number of the period of the last refresh, plus one.
    refreshed: AtomicU64,
    table: ArcSwap<LoadTable>,
}

/// The backends, and what the policy sees of them: a copy of each, in the same order.
#[derive(Debug, Default)]
struct LoadTable {
    members: Vec<Arc<Backend>>,
    copies: Vec<Arc<Backend>>,
    /// The copies of the candidates.
    candidates: Vec<Arc<Backend>>,
}

impl StaleView {
    /// The policy with a view that is refreshed once in such a period.
    pub(crate) fn of(inner: Arc<dyn Policy>, period: Duration) -> Self {
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
        Self { inner, period, refreshed: AtomicU64::new(0), table: ArcSwap::default() }
    }

    /// Copies the loads if this is the first pick of a period.
    fn refresh(&self, table: &LoadTable, now: Moment) {
        let period = now.as_micros() / self.period + 1;
        let before = self.refreshed.load(Relaxed);
        // Of several threads, one copies. The others see the old copies for that moment.
        if before != period && self.refreshed.compare_exchange(before, period, Relaxed, Relaxed).is_ok() {
            for (member, copy) in table.members.iter().zip(&table.copies) {
                copy.see_load_of(member);
            }
        }
    }
}

impl LoadTable {
    fn copy_of(&self, backend: &Backend) -> Option<&Arc<Backend>> {
        position(&self.copies, backend.number)
            .map(|index| &self.copies[index])
            .filter(|copy| copy.id == backend.id)
    }

    /// The copy of a backend, or a new one.
    fn copy(&self, backend: &Backend) -> Arc<Backend> {
        self.copy_of(backend).map_or_else(|| copied(backend), Arc::clone)
    }

    fn has_candidates(&self, candidates: &[Arc<Backend>]) -> bool {
        let is_of = |(copy, backend): (&Arc<Backend>, &Arc<Backend>)| {
            (copy.number, copy.id) == (backend.number, backend.id)
        };
        self.candidates.len() == candidates.len() && self.candidates.iter().zip(candidates).all(is_of)
    }
}

/// A backend with the same number, address, settings and load.
fn copied(backend: &Backend) -> Arc<Backend> {
    let copy = Backend::new(backend.number, Member::clone(&backend.spec()), Moment::START);
    copy.see_load_of(backend);
    Arc::new(copy)
}

impl Policy for StaleView {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let table = self.table.load();
        self.refresh(&table, request.now);
        if table.has_candidates(candidates) {
            return self.inner.pick(&table.candidates, request);
        }
        let copies: Vec<_> = candidates.iter().map(|backend| table.copy(backend)).collect();
        self.inner.pick(&copies, request)
    }

    fn rebuild(&self, members: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        let before = self.table.load();
        let copies: Vec<_> = members.iter().map(|backend| before.copy(backend)).collect();
        for (member, copy) in members.iter().zip(&copies) {
            if *member.spec() != *copy.spec() {
                copy.set_spec(Member::clone(&member.spec()));
            }
        }
        let mut table = LoadTable { members: members.to_vec(), copies, candidates: Vec::new() };
        table.candidates = candidates.iter().map(|backend| table.copy(backend)).collect();
        let table = Arc::new(table);
        self.table.store(Arc::clone(&table));
        self.inner.rebuild(&table.copies, &table.candidates);
    }

    fn score(&self, backend: &Backend, now: Moment) -> Option<f64> {
        self.inner.score(self.table.load().copy_of(backend)?, now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use fastrand::Rng;
    use strum::VariantArray;

    use super::super::contract::backends;
    use super::super::{Kind, Settings, Teaching};
    use super::*;
    use crate::InFlight;
    use crate::reports::LoadReport;

    const SECOND: Duration = Duration::from_secs(1);

    /// The picks of a policy with so many requests in flight, one pick after each step of time.
    fn picks(policy: &dyn Policy, step: u64) -> Vec<usize> {
        let field = backends(&[1, 3, 1, 2, 1]);
        let living: Vec<_> = field.iter().filter(|backend| backend.number != 2).map(Arc::clone).collect();
        let (mut random, mut in_flight) = (Rng::with_seed(4), VecDeque::new());
        policy.rebuild(&field, &field);
        let pick = |n: u64| {
            if n == 200 {
                policy.rebuild(&field, &living);
            }
            let candidates = if n < 200 { &field } else { &living };
            let candidates = if n.is_multiple_of(7) { &candidates[1..] } else { candidates };
            let now = Moment::from_micros(1 + n * step);
            let mut request = Request { key: Some(n * 77), now, random: &mut random, notes: None };
            let backend = &candidates[policy.pick(candidates, &mut request).unwrap()];
            in_flight.push_back(InFlight::new(Arc::clone(backend)));
            backend.learn_latency(Duration::from_millis(n % 9), false, now);
            let cpu_utilization = 0.1 * backend.number as f64;
            let report = LoadReport { cpu_utilization, rps_fractional: 10.0, ..LoadReport::default() };
            backend.learn_report(Some(report), now);
            if n % 5 > 1 {
                in_flight.pop_front();
            }
            backend.number
        };
        (0..400).map(pick).collect()
    }

    #[test]
    fn with_a_refresh_before_each_pick_every_policy_picks_as_without_the_old_view() {
        let teaching = Teaching::VARIANTS.iter().map(|teaching| Kind::Teaching(*teaching));
        for kind in Kind::VARIANTS.iter().copied().chain(teaching) {
            let make = || kind.make(Settings::DEFAULT);
            let stale = |period| StaleView::of(make(), period);
            let fresh = picks(&*make(), 1_000_000);
            assert_eq!(picks(&stale(SECOND), 1_000_000), fresh, "{kind}");
            // That mutant has a score, and does not compare it.
            let looks = kind == Kind::Reported
                || make().score(&backends(&[1])[0], Moment::START).is_some()
                    && kind != Kind::Teaching(Teaching::Mutant4);
            let differs = picks(&stale(60 * SECOND), 1_000_000) != fresh;
            assert!(differs || !looks, "{kind} does not notice that the loads are old");
        }
    }

    #[test]
    fn all_picks_of_a_period_see_the_loads_of_its_beginning() {
        let field = backends(&[1; 3]);
        let policy = StaleView::of(Kind::TwoChoices.make(Settings::DEFAULT), 10 * SECOND);
        policy.rebuild(&field, &field);
        let mut random = Rng::with_seed(1);
        let mut pick_at = |second: u64| {
            let now = Moment::from_micros(second * 1_000_000);
            policy.pick(&field, &mut Request { key: None, now, random: &mut random, notes: None });
            field.iter().map(|backend| policy.score(backend, now).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(pick_at(3), [1.0, 1.0, 1.0]);
        let _busy = [0, 0, 1].map(|index: usize| InFlight::new(Arc::clone(&field[index])));
        assert_eq!(pick_at(9), [1.0, 1.0, 1.0], "the loads of the first period");
        assert_eq!(pick_at(10), [3.0, 2.0, 1.0]);
        assert_eq!(pick_at(47), [3.0, 2.0, 1.0]);
    }
}
