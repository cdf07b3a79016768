//! One seed is one run.

use balance::policy::Kind;
use balance::{Rules, outlier};
use sim::{
    Arrivals, Balancing, Clients, Fault, Keys, Places, RecordedCall, Recording, Report, Server, Service, Sim,
    Stop, ms, s,
};

/// A run in which much happens. Its policy draws at random and uses neither exponentials nor logarithms of
/// the system, which can differ from machine to machine.
fn much(seed: u64) -> Sim {
    let rules = Rules { policy: Kind::TwoChoices, outlier: outlier::Rule::DEFAULT, ..Rules::default() };
    let places = Some(Places { limit: 20, queue: 10, timeout: s(1) });
    let balancing = Balancing { rules, places, balancers: 2, ..Balancing::default() };
    let status = Fault::Status { backend: 5, code: 500, percent: 40.0, takes: None, lasts: s(10) };
    Sim::new(seed)
        .servers(6, Server::workers(2))
        .balancing(balancing)
        .clients(Clients { patience: Some(s(2)), retries: 1, keys: Keys::Uniform(100), ..Clients::default() })
        .arrivals(Arrivals::Poisson(150.0))
        .service(Service::Lognormal { p50: ms(40), p99: ms(400) })
        .at(s(3), Fault::Kill { backend: 1 })
        .at(s(5), Fault::Stop { backend: 2 })
        .at(s(8), Fault::Start { backend: 1 })
        .at(s(9), Fault::Continue { backend: 2 })
        .at(s(10), status)
        .at(s(15), Fault::Slow { backend: 3, times: 5.0, lasts: s(5) })
        .ticks()
        .keep_latencies()
}

/// A hash of everything that a run reports (FNV-1a, 64 bits).
fn hash(report: &Report) -> u64 {
    let told = format!("{:?} {:?} {:?}", report.figures(), report.ticks(), report.latencies());
    told.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn one_seed_is_one_run_and_another_seed_is_another_run() {
    let one = much(1).run(Stop::Time(s(30)));
    assert!(one.errors() > 10 && one.changes().len() > 8, "{:?}", one.figures());
    assert!(one.retries() > 10 && one.resends() > 10, "{:?}", one.figures());
    let hashes = [1, 1, 2].map(|seed| hash(&much(seed).run(Stop::Time(s(30)))));
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

/// The same with and without optimisation, and on each machine. A change of the simulator or of the balancer
/// that changes this run needs the new value here.
#[test]
fn a_known_run_has_a_known_result() {
    assert_eq!(format!("{:016x}", hash(&much(42).run(Stop::Time(s(30))))), "a75ba419cd737df4");
}

#[test]
fn another_policy_meets_the_same_calls() {
    let sim = |policy| much(7).policy(policy);
    let recorded = |policy| {
        let (_, trace) = sim(policy).record(Stop::Requests(2000));
        let calls = trace.recording().calls().iter();
        calls.map(|call| (call.at, call.takes, call.key)).collect::<Vec<_>>()
    };
    assert_eq!(recorded(Kind::TwoChoices), recorded(Kind::RoundRobin));
}

#[test]
fn a_client_of_a_closed_loop_meets_the_same_sizes_under_each_policy() {
    let closed = Arrivals::Closed { clients: 5, think: Service::Exp(ms(20)) };
    let sizes = |policy| {
        let sim = much(7).policy(policy).arrivals(closed.clone());
        let (_, trace) = sim.record(Stop::Requests(500));
        let mut sizes: Vec<_> = trace.recording().calls().iter().map(|call| call.takes).collect();
        sizes.sort_unstable();
        sizes
    };
    // The policies finish in different orders, so that the last calls differ.
    let (one, other) = (sizes(Kind::TwoChoices), sizes(Kind::RoundRobin));
    let common = one.iter().filter(|size| other.binary_search(size).is_ok()).count();
    assert!(common > 480, "{common} of 500");
}

#[test]
fn a_replay_under_the_same_policy_is_the_same_run() {
    let (report, trace) = much(3).record(Stop::Requests(3000));
    let again = trace.replay(Kind::TwoChoices);
    assert_eq!(report.latencies(), again.latencies());
    assert_eq!(report.changes(), again.changes());
    assert_ne!(report.latencies(), trace.replay(Kind::RoundRobin).latencies());
}

#[test]
fn a_recording_keeps_its_keys() {
    let call = |at| RecordedCall { at: ms(at), takes: ms(1), path: ms(0), key: Some(7), backend: None };
    let recording = Recording::new((0..40).map(call).collect());
    let sim = Sim::new(1).servers(4, Server::workers(1)).without_checks();
    let report = recording.replay(&sim, Kind::Ring);
    assert!((1..=4).any(|backend| report.share(backend) == 1.0), "one key has one backend");
}

#[test]
fn a_recording_of_a_live_run_can_be_replayed() {
    let call =
        |at, takes| RecordedCall { at: ms(at), takes: ms(takes), path: ms(0), key: None, backend: Some(1) };
    let recording = Recording::new(vec![call(20, 10), call(0, 100), call(10, 100), call(30, 10)]);
    let sim = Sim::new(1).servers(2, Server::workers(1)).without_checks().keep_latencies();
    let ends = |policy| {
        let report = recording.replay(&sim, policy);
        report.latencies().iter().map(|latency| latency / 1_000_000).collect::<Vec<_>>()
    };
    // By turns, the third call waits behind the first, and the fourth behind the second.
    assert_eq!(ends(Kind::RoundRobin), [100, 100, 90, 90]);
}
