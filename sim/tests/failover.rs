//! What the balancers do about servers that break. The rules are those of the crate `balance`.

use std::time::Duration;

use balance::policy::Kind;
use balance::verdict::Limits;
use balance::{Rules, budget};
use sim::{
    Arrivals, Balancing, Clients, Fault, OnDisconnect, Pings, Places, Probes, Report, Server, Service, Sim,
    Stop, ms, s,
};

const EVER: Duration = Duration::MAX;

/// Four servers that answer in 20 ms, 100 calls a second.
fn four() -> Sim {
    Sim::new(8)
        .servers(4, Server::unlimited().on_disconnect(OnDisconnect::Continue))
        .arrivals(Arrivals::Even(100.0))
        .service(Service::Fixed(ms(20)))
        .ticks()
}

/// The changes of a backend: the time in seconds and the new state.
fn changes(report: &Report, backend: usize) -> Vec<(f64, &'static str)> {
    let own = report.changes().iter().filter(|change| change.backend == backend);
    own.map(|change| (change.at.as_secs_f64(), change.to)).collect()
}

fn answers(report: &Report, backend: usize, from: Duration, to: Duration) -> u32 {
    let ticks = report.ticks().iter().filter(|tick| tick.at > from && tick.at <= to);
    ticks.map(|tick| tick.backends[backend - 1].answers).sum()
}

#[test]
fn a_killed_backend_is_found_by_requests_and_comes_back_by_pings() {
    let sim = four().at(s(5), Fault::Kill { backend: 2 }).at(s(10), Fault::Start { backend: 2 });
    let report = sim.run(Stop::Time(s(20)));
    assert_eq!(report.errors(), 0, "idempotent requests move on: {:?}", report.reasons());
    let [(down, "down"), (up, "up")] = changes(&report, 2)[..] else { panic!("{:?}", report.changes()) };
    // The next pick comes within 40 ms, and three retries with pauses of 10 ms follow.
    assert!((5.0..5.08).contains(&down), "{down}");
    // Two answered pings: the first within 1.1 s, the second 0.9 to 1.1 s later.
    assert!((10.9..12.2).contains(&up), "{up}");
    assert_eq!(answers(&report, 2, s(6), s(10)), 0);
    assert!(answers(&report, 2, s(13), s(20)) >= 170, "it has its quarter again");
}

#[test]
fn without_retries_the_requests_of_a_killed_backend_fail() {
    let limits = Limits { retries: 0, attempts: 1, ..Balancing::default().limits };
    let sim = four().limits(limits).at(ms(5005), Fault::Kill { backend: 2 });
    let report = sim.run(Stop::Time(s(10)));
    // One request is in flight at each backend for half of the time, and the first that is refused takes it
    // down.
    assert!((1..=2).contains(&report.errors()), "{:?}", report.reasons());
    assert_eq!(changes(&report, 2).len(), 1);
    let none = four().clients(Clients { idempotent: false, ..Clients::default() });
    let report = none.at(ms(5015), Fault::Kill { backend: 2 }).run(Stop::Time(s(10)));
    assert!(report.errors() <= 1, "only what may have run is not repeated: {:?}", report.reasons());
}

#[test]
fn a_stopped_backend_is_found_although_it_accepts_connections() {
    let sim = four().at(s(5), Fault::Stop { backend: 3 }).at(s(10), Fault::Continue { backend: 3 });
    let report = sim.run(Stop::Time(s(20)));
    // The calls of the last 20 ms are on their way.
    assert_eq!((report.errors(), report.unfinished()), (0, 2), "{:?}", report.reasons());
    let [(suspect, "suspect"), (up, "up")] = changes(&report, 3)[..] else {
        panic!("{:?}", report.changes())
    };
    // Three requests wait within 120 ms. The rule of silence asks after 250 ms, and judges after 500 ms.
    assert!((5.5..5.8).contains(&suspect), "{suspect}");
    assert!((10.0..11.2).contains(&up), "the next answer brings it back: {up}");
    assert!(report.longest() < ms(900), "requests leave it: {:?}", report.longest());
}

#[test]
fn counter_case_without_looks_the_requests_wait_until_it_continues() {
    let balancing = Balancing { looks: false, ..Balancing::default() };
    let sim = four().balancing(balancing).at(s(5), Fault::Stop { backend: 3 });
    let report = sim.at(s(12), Fault::Continue { backend: 3 }).run(Stop::Time(s(20)));
    assert!(report.longest() > s(6) && report.changes().is_empty(), "{:?}", report.changes());
}

#[test]
fn an_http_ping_finds_a_stopped_backend_too() {
    let pings = Pings { interval: s(2), timeout: s(1), http: true };
    let balancing = Balancing { pings: Some(pings), looks: false, ..Balancing::default() };
    let clients = Clients { patience: Some(s(3)), ..Clients::default() };
    let sim = four().balancing(balancing).clients(clients).at(s(5), Fault::Stop { backend: 4 });
    let report = sim.run(Stop::Time(s(30)));
    let [(down, "down")] = changes(&report, 4)[..] else { panic!("{:?}", report.changes()) };
    // `lb check` prints 2 x 0.9 I + 3 t to 3 x 1.1 I + 3 t: 6.6 to 9.6 s.
    assert!((11.6..14.6).contains(&down), "{down}");
    let timeouts = report.reasons()["timeout"];
    assert!((160..=245).contains(&timeouts), "a quarter of the calls until then: {timeouts}");
}

#[test]
fn pings_that_alternate_change_nothing_with_fall_3_and_rise_2() {
    let run = |fall, rise| {
        let mut rules = Rules::default();
        (rules.thresholds.fall, rules.thresholds.rise) = (fall, rise);
        let pings = Pings { http: true, ..Pings::default() };
        let server = Server::unlimited().probes(Probes::Pattern(vec![true, false]));
        let sim = Sim::new(9).servers(1, server).balancer(rules).pings(Some(pings));
        // 100 pings at intervals of 0.9 to 1.1 s.
        sim.arrivals(Arrivals::Trace([].into())).run(Stop::Time(s(100))).changes().len()
    };
    assert_eq!(run(3, 2), 0);
    assert!((95..=105).contains(&run(1, 1)), "each ping is a change: {}", run(1, 1));
}

#[test]
fn when_all_pings_fail_panic_mode_ignores_them() {
    let run = |panic_threshold, arrivals| {
        let pings = Pings { http: true, ..Pings::default() };
        let mut sim = four().balancer(Rules { panic_threshold, ..Rules::default() }).pings(Some(pings));
        for backend in 1..=4 {
            sim = sim.at(s(2), Fault::Probes { backend, percent: 100.0, lasts: EVER });
        }
        sim.arrivals(arrivals).run(Stop::Time(s(20)))
    };
    // The calls begin when all backends are down.
    let late = || Arrivals::Steps(vec![(s(8), 100.0)]);
    let panic = run(50, late());
    assert_eq!((panic.changes().len(), panic.errors()), (4, 0));
    let calm = run(0, late());
    assert_eq!((calm.changes().len(), calm.good()), (4, 0), "{:?}", calm.reasons());
    assert!(calm.errors() > 1000);
    // Answers to requests are evidence against the failed pings, so that a pool in use stays up.
    let busy = run(0, Arrivals::Even(100.0));
    assert_eq!((busy.changes().len(), busy.errors()), (0, 0));
}

#[test]
fn errors_move_to_another_backend_if_the_settings_say_so() {
    let fault = Fault::Status { backend: 1, code: 503, percent: 100.0, takes: None, lasts: EVER };
    let run = |retry_on_errors, retry_budget| {
        let rules = Rules { policy: Kind::RoundRobin, retry_budget, ..Rules::default() };
        let balancing = Balancing { retry_on_errors, rules, ..Balancing::default() };
        four().balancing(balancing).at(s(0), fault).run(Stop::Requests(1000))
    };
    assert_eq!(run(false, None).errors(), 250);
    let repeated = run(true, None);
    assert_eq!((repeated.errors(), repeated.retries()), (0, 250));
    // 5 % of 1000 calls: 50 of 250.
    let limited = run(true, Some(budget::Rule { percent: 5, per_second: 0 }));
    assert!((45..=50).contains(&limited.retries()), "{}", limited.retries());
    assert_eq!(limited.errors() + limited.retries(), 250);
}

#[test]
fn requests_wait_for_a_place_and_no_longer_than_they_may() {
    let places = |queue, timeout| Places { limit: 1, queue, timeout };
    let run = |rule| {
        let sim = Sim::new(3).servers(1, Server::unlimited()).without_checks().places(rule).keep_latencies();
        let arrivals = Arrivals::Trace([ms(0), ms(10), ms(20)].into());
        sim.arrivals(arrivals).service(Service::Fixed(ms(100))).run(Stop::Requests(3))
    };
    let ms_of = |report: &Report| report.latencies().iter().map(|it| it / 1_000_000).collect::<Vec<_>>();
    assert_eq!(ms_of(&run(places(9, s(9)))), [100, 190, 280]);
    let full = run(places(1, s(9)));
    assert_eq!((ms_of(&full), full.errors()), (vec![0, 100, 190], 1));
    let late = run(places(9, ms(95)));
    assert_eq!(
        (ms_of(&late), late.errors()),
        (vec![100, 95, 190], 1),
        "the third waits for 95 ms without an answer"
    );
}

#[test]
fn requests_that_wait_for_a_place_leave_a_backend_that_goes_down() {
    let pings = Pings { http: true, ..Pings::default() };
    let sim = Sim::new(3).servers(1, Server::unlimited()).pings(Some(pings));
    let sim = sim.places(Places { limit: 1, queue: 9, timeout: s(60) });
    let sim = sim.arrivals(Arrivals::Trace([ms(10), ms(20)].into())).service(Service::Fixed(ms(100)));
    let report = sim.at(ms(50), Fault::Stop { backend: 1 }).run(Stop::Time(s(30)));
    // The first call waits at the stopped process. Three pings of 0.5 s fail, 0.9 to 1.1 s apart.
    assert_eq!((report.reasons()["status 503"], report.unfinished()), (1, 1));
    assert!((s(3)..s(6)).contains(&report.longest()), "{:?}", report.longest());
}

#[test]
fn each_backend_gets_all_its_retries() {
    let sim = Sim::new(3).servers(3, Server::unlimited()).without_checks();
    let sim = sim.arrivals(Arrivals::Trace([ms(10)].into())).service(Service::Fixed(ms(20)));
    let sim = sim.at(s(0), Fault::Kill { backend: 1 }).at(s(0), Fault::Kill { backend: 2 });
    let report = sim.run(Stop::Requests(1));
    // Three retries after 10 ms each and one move, at the first backend and at the second.
    assert_eq!((report.good(), report.retries(), report.longest()), (1, 8, ms(80)));
}

#[test]
fn a_ping_that_waits_at_a_stopped_process_ends_when_the_process_is_killed() {
    let pings = Pings { interval: s(1), timeout: s(20), http: true };
    let sim = Sim::new(3).servers(1, Server::unlimited()).pings(Some(pings));
    let sim = sim.arrivals(Arrivals::Trace([].into()));
    let sim = sim.at(s(5), Fault::Stop { backend: 1 }).at(s(8), Fault::Kill { backend: 1 });
    let report = sim.run(Stop::Time(s(60)));
    // The ping that waits fails at 8 s, and two further ones at intervals of 0.9 to 1.1 s.
    let [(down, "down")] = changes(&report, 1)[..] else { panic!("{:?}", report.changes()) };
    assert!((9.8..10.2).contains(&down), "{down}");
}

#[test]
fn a_stopped_backend_stays_a_suspect_although_it_accepts_the_connections_of_pings() {
    let report = four().at(s(8), Fault::Stop { backend: 3 }).run(Stop::Time(s(30)));
    let told: Vec<_> = changes(&report, 3).into_iter().map(|(_, to)| to).collect();
    assert_eq!(told, ["suspect"]);
}

#[test]
fn a_request_that_takes_too_long_is_not_repeated() {
    let balancing = Balancing { response_timeout: Some(ms(50)), ..Balancing::default() };
    let slow = Fault::Slow { backend: 1, times: 10.0, lasts: EVER };
    let report = four().balancing(balancing).at(s(0), slow).run(Stop::Requests(100));
    assert_eq!(report.reasons()["status 504"], 25);
    assert_eq!(report.longest(), ms(50));
}

#[test]
fn a_cold_backend_takes_less_while_it_warms_up() {
    let run = |slow_start| {
        let rules = Rules { slow_start, ..Rules::default() };
        let sim = four().balancer(rules).at(s(2), Fault::Kill { backend: 4 });
        let sim = sim.at(s(5), Fault::Start { backend: 4 });
        let report = sim.run(Stop::Time(s(16)));
        let (up, _) = *changes(&report, 4).last().unwrap();
        let up = Duration::from_secs_f64(up);
        answers(&report, 4, up, up + s(8))
    };
    // Of 800 calls in 8 s, a quarter. With a slow start of 8 s, the share is w / 4 with w = max(0.1, t / 8):
    // 0.125625 of them on average.
    let (full, slow) = (run(Duration::ZERO), run(s(8)));
    assert!((190..=205).contains(&full), "{full}");
    assert!((65..=140).contains(&slow), "{slow}");
}

#[test]
fn several_balancers_share_the_servers() {
    let report = four().balancers(3).at(s(5), Fault::Kill { backend: 2 }).run(Stop::Time(s(10)));
    let mut who: Vec<_> = report.changes().iter().map(|change| (change.balancer, change.backend)).collect();
    who.sort_unstable();
    assert_eq!(who, [(1, 2), (2, 2), (3, 2)], "each balancer finds out for itself");
    assert_eq!(report.errors(), 0);
}
