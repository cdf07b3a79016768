//! What does a pick cost? Every policy, with few backends and with thousands:
//!
//! ```text
//! cargo bench -p lb
//! ```
//!
//! A pick comes with what belongs to it: the request is in flight afterwards, and an earlier one ends. Half as many requests
//! as backends are in flight, so that loads differ.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::balance::member::Member;
use lb::balance::policy::{Kind, Request};
use lb::balance::{Address, Backend, InFlight};

fn backends(n: usize) -> Vec<Arc<Backend>> {
    let now = Instant::now();
    let backend = |number: usize| {
        let address = Address { host: format!("10.0.{}.{}", number / 256, number % 256), port: 80 };
        let weight = number as u32 % 5 + 1;
        Arc::new(Backend::new(number, Member { weight, ..Member::new(address) }, now, now))
    };
    (1..=n).map(backend).collect()
}

fn picks(criterion: &mut Criterion) {
    for kind in Kind::ALL {
        let mut group = criterion.benchmark_group(kind.name());
        for n in [4, 100, 10_000] {
            let field = backends(n);
            let policy = kind.make(125);
            policy.arrange(&field, &field);
            let mut random = fastrand::Rng::with_seed(1);
            let now = Instant::now();
            let mut in_flight: VecDeque<_> =
                field.iter().step_by(2).map(|backend| InFlight::new(Arc::clone(backend))).collect();
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter(|| {
                    let key = Some(random.u64(..));
                    let mut request = Request { key, now, random: &mut random, notes: None };
                    let index = policy.pick(black_box(&field), &mut request).expect("there are candidates");
                    in_flight.pop_front();
                    in_flight.push_back(InFlight::new(Arc::clone(&field[index])));
                });
            });
        }
    }
}

criterion_group! {
    name = all;
    config = Criterion::default().without_plots();
    targets = picks
}
criterion_main!(all);
