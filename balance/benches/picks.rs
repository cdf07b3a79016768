//! The cost of a pick: every policy, with few backends and with thousands:
//!
//! ```text
//! cargo bench -p balance
//! ```
//!
//! The benchmark also measures the work around a pick: the request counts as in flight afterwards, and an
//! earlier request ends. The number of requests in flight is half the number of backends, so that loads
//! differ.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use balance::member::Member;
use balance::policy::{Kind, Request, Settings};
use balance::{Address, Backend, InFlight, Moment};
use strum::VariantArray;
use tiny_bench::bench_labeled;

fn backends(n: usize) -> Vec<Arc<Backend>> {
    let backend = |number: usize| {
        let address = Address { host: format!("10.0.{}.{}", number / 256, number % 256), port: 80 };
        let weight = number as u32 % 5 + 1;
        Arc::new(Backend::new(number, Member { weight, ..Member::new(address) }, Moment::START))
    };
    (1..=n).map(backend).collect()
}

fn main() {
    for kind in Kind::VARIANTS {
        for n in [4, 100, 10_000] {
            picks(*kind, n);
        }
    }
}

fn picks(kind: Kind, n: usize) {
    let field = backends(n);
    let policy = kind.make(Settings::DEFAULT);
    policy.rebuild(&field, &field);
    let mut random = fastrand::Rng::with_seed(1);
    let mut in_flight: VecDeque<_> =
        field.iter().step_by(2).map(|backend| InFlight::new(Arc::clone(backend))).collect();
    // The library compares the result with the last run under the same label, and wants the label for good.
    bench_labeled(format!("{}_{n}", kind.name()).leak(), || {
        let key = Some(random.u64(..));
        let mut request = Request { key, now: Moment::START, random: &mut random, notes: None };
        let index = policy.pick(black_box(&field), &mut request).expect("there are candidates");
        in_flight.pop_front();
        in_flight.push_back(InFlight::new(Arc::clone(&field[index])));
    });
}
