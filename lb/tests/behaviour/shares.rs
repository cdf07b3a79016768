//! Exact shares of the backends, over all workers and connections together.

use crate::common::{Lb, Upstream};

const CLIENTS: usize = 32;

/// Sends `total` requests over keep-alive connections, and returns the number at each upstream.
fn shares(lb: &Lb, upstreams: &[Upstream], total: usize) -> Vec<usize> {
    let before: Vec<_> = upstreams.iter().map(Upstream::count).collect();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = lb.client();
                for _ in (client..total).step_by(CLIENTS) {
                    assert_eq!(connection.get("/").status, 200);
                }
            });
        }
    });
    upstreams.iter().zip(before).map(|(upstream, before)| upstream.count() - before).collect()
}

fn assert_exact(shares: &[usize], total: usize) {
    assert_eq!(shares.iter().sum::<usize>(), total, "nothing lost, nothing doubled: {shares:?}");
    assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
}

#[test]
fn shares_are_exact_also_while_one_is_down_and_after_it_returned() {
    let upstreams: Vec<_> = (0..4).map(|_| Upstream::well("ok").counting_only()).collect();
    let all: Vec<_> = upstreams.iter().collect();
    let lb = Lb::start(&all, &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    assert_exact(&shares(&lb, &upstreams, 10_000), 10_000);

    upstreams[1].stop();
    lb.wait_for_states(&["up", "down", "up", "up"]);
    let without_one = shares(&lb, &upstreams, 3_001);
    assert_eq!(without_one[1], 0);
    assert_exact(&[without_one[0], without_one[2], without_one[3]], 3_001);

    upstreams[1].start();
    lb.wait_for_states(&["up"; 4]);
    assert_exact(&shares(&lb, &upstreams, 3_002), 3_002);
    assert!(lb.states().iter().all(|state| state == "up"));
}

#[test]
fn a_failing_backends_requests_are_spread_over_all_others() {
    use crate::common::{NO_PINGS, Reply};
    let failing = Upstream::new(|seen| match seen.line() {
        "OPTIONS *" => crate::common::ok("it is well otherwise"),
        _ => Reply::Last(Vec::new()),
    });
    let well: Vec<_> = (0..3).map(|_| Upstream::well("ok")).collect();
    let lb = Lb::start(&[&failing, &well[0], &well[1], &well[2]], &[NO_PINGS]);
    let mut client = lb.client();
    for _ in 0..80 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(failing.count_of("GET /"), 20);
    let counts: Vec<_> = well.iter().map(|upstream| upstream.count_of("GET /")).collect();
    assert_exact(&counts, 80);
}

#[test]
fn connections_are_kept_and_used_again() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[crate::common::NO_PINGS]);
    let mut client = lb.client();
    for _ in 0..100 {
        client.get("/");
    }
    let connections = &lb.backend(1)["connections"];
    assert_eq!((connections["opened"].as_u64(), connections["reused"].as_u64()), (Some(1), Some(99)));
}
