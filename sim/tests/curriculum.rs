//! Lessons in virtual time: known effects of balancing, with numbers from other simulations and from theory.

use balance::policy::Kind;
use balance::{Rules, budget, outlier};
use sim::{
    Arrivals, Cache, Clients, Discipline, Fault, Keys, OnDisconnect, Places, Queue, Report, Server, Service,
    Sim, Stop, ms, s,
};

/// The mean latency in mean service times of 50 ms.
fn mean(report: &Report) -> f64 {
    report.mean().div_duration_f64(ms(50))
}

fn near(what: &str, found: f64, expected: f64, percent: f64) {
    let off = (found / expected - 1.0).abs() * 100.0;
    assert!(off < percent, "{what}: {found:.3} instead of {expected}, {off:.1} % off");
}

/// Four servers of one worker each, 80 % busy. The bound of 5 % is five standard deviations of the mean of
/// one queue, the widest of all.
#[test]
fn one_queue_or_four() {
    let sim = |servers, server| {
        Sim::new(4)
            .servers(servers, server)
            .without_checks()
            .arrivals(Arrivals::Poisson(64.0))
            .service(Service::Exp(ms(50)))
            .warm_up(10_000)
    };
    let run = |sim: Sim| mean(&sim.run(Stop::Requests(1_000_000)));
    let four = |policy| run(sim(4, Server::workers(1)).policy(policy));
    let idle = Places { limit: 1, queue: u32::MAX, timeout: s(3600) };
    let found = [
        ("random", four(Kind::Random), 5.0),
        ("round-robin", four(Kind::RoundRobin), 3.25),
        ("two-choices", four(Kind::TwoChoices), 2.32),
        ("join-idle-queue", run(sim(4, Server::workers(1)).policy(Kind::RoundRobin).places(idle)), 2.16),
        ("least-connections", four(Kind::LeastConnections), 1.95),
        ("one queue", run(sim(1, Server::workers(4))), 1.746),
    ];
    for (what, found, expected) in found {
        near(what, found, expected, 5.0);
    }
    assert!(found.windows(2).all(|pair| pair[0].1 > pair[1].1 * 1.03), "{found:?}");
}

/// The lesson says: each sees only its own requests, and what is left of a clever policy is little.
#[test]
fn sixteen_balancers() {
    let run = |balancers, policy| {
        let sim =
            Sim::new(21).servers(8, Server::workers(1)).balancers(balancers).policy(policy).without_checks();
        let sim = sim.arrivals(Arrivals::Poisson(128.0)).service(Service::Exp(ms(50))).warm_up(10_000);
        mean(&sim.run(Stop::Requests(600_000)))
    };
    let (lc, p2c, rr) = (Kind::LeastConnections, Kind::TwoChoices, Kind::RoundRobin);
    let one = [lc, p2c, rr].map(|policy| run(1, policy));
    for (found, expected) in one.into_iter().zip([1.45, 2.11, 2.98]) {
        near("one balancer", found, expected, 5.0);
    }
    let many = [lc, p2c, rr, Kind::PeakEwma, Kind::Random].map(|policy| run(64, policy));
    for (found, expected) in many.into_iter().zip([4.18, 4.19, 4.18, 5.06, 5.03]) {
        near("64 balancers", found, expected, 6.0);
    }
    assert!(run(16, p2c) < run(16, lc), "at 16 balancers two choices win");
    assert!(many[3] >= 0.95 * many[4], "peak EWMA is no better than random: {many:?}");
}

/// 100 balls in 100 bins, 1000 times: the mean of the fullest bin (Mitzenmacher 2001; calculated).
#[test]
fn balls_into_bins() {
    let fullest = |policy| {
        let one = |seed| {
            let sim = Sim::new(seed).servers(100, Server::unlimited()).policy(policy).without_checks();
            let sim = sim.arrivals(Arrivals::Even(1000.0)).service(Service::Fixed(s(3600)));
            let report = sim.run(Stop::Time(ms(100)));
            report.backends().iter().map(|backend| backend.max_in_flight).max().unwrap_or(0)
        };
        (0..1000).map(|seed| f64::from(one(seed))).sum::<f64>() / 1000.0
    };
    let (one, two) = (fullest(Kind::Random), fullest(Kind::TwoChoices));
    assert!((one - 4.24).abs() < 0.15 && (two - 2.58).abs() < 0.1, "{one} {two}");
}

/// Three backends answer in 100 ms, one fails in 1 ms.
#[test]
fn a_black_hole_attracts_requests_under_least_connections() {
    let hole = Fault::Status { backend: 3, code: 503, percent: 100.0, takes: Some(ms(1)), lasts: s(3600) };
    let run = |policy, outlier| {
        Sim::new(11)
            .servers(4, Server::unlimited())
            .balancer(Rules { policy, outlier, ..Rules::default() })
            .arrivals(Arrivals::Closed { clients: 16, think: Service::Fixed(ms(1)) })
            .service(Service::Fixed(ms(100)))
            .at(s(0), hole)
            .run(Stop::Time(s(20)))
    };
    let errors = |report: &Report| report.errors() as f64 / report.calls() as f64;
    let lc = run(Kind::LeastConnections, outlier::Rule::OFF);
    assert!(errors(&lc) > 0.8, "{}", errors(&lc));
    let p2c = run(Kind::TwoChoices, outlier::Rule::OFF);
    assert!((errors(&p2c) - 0.5).abs() < 0.04, "it wins whenever it is drawn: {}", errors(&p2c));
    let peak = run(Kind::PeakEwma, outlier::Rule::OFF);
    assert!(errors(&peak) < 0.02, "a failure counts as a slow answer: {}", errors(&peak));
    let rr = run(Kind::RoundRobin, outlier::Rule::OFF);
    assert!((rr.share(3) - 0.25).abs() < 1e-3, "counter-case: {}", rr.share(3));
    let rule = outlier::Rule { success_rate: false, ..outlier::Rule::DEFAULT };
    let ejected = run(Kind::LeastConnections, rule);
    assert!(ejected.errors() <= 5 + 16, "{:?}", ejected.figures());
    assert!(ejected.changes().iter().any(|change| change.backend == 3 && change.to == "ejected"));
}

/// One backend is ten times as slow for a time; the policies meet the same arrivals.
#[test]
fn one_slow_server() {
    let sim = |policy| {
        Sim::new(6)
            .servers(4, Server::unlimited())
            .policy(policy)
            .arrivals(Arrivals::Even(50.0))
            .service(Service::Fixed(ms(20)))
            .at(s(0), Fault::Slow { backend: 4, times: 100.0, lasts: s(3600) })
    };
    let rr = sim(Kind::RoundRobin).run(Stop::Time(s(40)));
    let lc = sim(Kind::LeastConnections).run(Stop::Time(s(40)));
    assert!((rr.share(4) - 0.25).abs() < 1e-3 && lc.share(4) <= 0.03, "{} {}", rr.share(4), lc.share(4));
    let ratio = rr.quantile(0.95).div_duration_f64(lc.quantile(0.95));
    assert!(ratio >= 20.0, "{ratio}");
    let peak = sim(Kind::PeakEwma).run(Stop::Time(s(40)));
    assert!(peak.share(4) <= lc.share(4), "{}", peak.share(4));
    // Clients that leave after a second never see an answer of the slow backend. Their waits show that it is
    // slow: at first, up to a dozen calls come there within the second in which nothing is known.
    let clients = Clients { patience: Some(s(1)), ..Clients::default() };
    let left = sim(Kind::PeakEwma).clients(clients).run(Stop::Time(s(40)));
    assert!((1..=12).contains(&left.errors()), "{} of {}", left.errors(), left.calls());
    assert!(left.changes().is_empty(), "a client that leaves is no evidence: {:?}", left.changes());
}

/// The part of the calls that ended well from 30 to 40 s after a stop of 5 s: 3 workers x 100 ms, 20 calls a
/// second, and clients that wait for a second.
fn after_a_stop(server: Server, clients: Clients, rate: f64, seed: u64) -> f64 {
    let report = Sim::new(seed)
        .servers(1, server)
        .without_checks()
        .clients(Clients { patience: Some(s(1)), ..clients })
        .arrivals(Arrivals::Poisson(rate))
        .service(Service::Fixed(ms(100)))
        .at(s(20), Fault::Stop { backend: 1 })
        .at(s(25), Fault::Continue { backend: 1 })
        .ticks()
        .run(Stop::Time(s(65)));
    let window = report.ticks().iter().filter(|tick| tick.at > s(55));
    let (good, bad) = window.fold((0, 0), |(good, bad), tick| (good + tick.good, bad + tick.errors));
    good as f64 / (good + bad) as f64
}

#[test]
fn up_but_down() {
    let server = || Server::workers(3).on_disconnect(OnDisconnect::Continue);
    let once = || Clients { retries: 1, ..Clients::default() };
    let budget =
        |percent, per_second| Clients { budget: Some(budget::Rule { percent, per_second }), ..once() };
    let heals = [
        ("no retry", server(), Clients::default(), 20.0),
        ("a budget without a floor", server(), budget(20, 0), 20.0),
        ("less load", server(), once(), 10.0),
        ("a short queue", server().queue(Queue::Bound(20)), once(), 20.0),
        ("the last comes first", server().discipline(Discipline::Lifo), once(), 20.0),
        ("expired requests are dropped", server().discipline(Discipline::DropExpired), once(), 20.0),
        ("requests without a client are dropped", Server::workers(3), once(), 20.0),
    ];
    for seed in 0..20 {
        let base = after_a_stop(server(), once(), 20.0, seed);
        assert!(base <= 0.1, "seed {seed}: {base}");
        for (what, server, clients, rate) in &heals {
            let good = after_a_stop(server.clone(), clients.clone(), *rate, seed);
            assert!(good >= 0.95, "{what}, seed {seed}: {good}");
        }
        let floor = after_a_stop(server(), budget(20, 10), 20.0, seed);
        assert!(floor <= 0.5, "a budget with a floor of 10 a second stays dead, seed {seed}: {floor}");
    }
}

/// Goodput past 100 % of the capacity of 30 calls a second.
#[test]
fn say_no_early() {
    let goodput = |server: Server, rate| {
        let report = Sim::new(23)
            .servers(1, server.on_disconnect(OnDisconnect::Continue))
            .without_checks()
            .clients(Clients { patience: Some(s(1)), ..Clients::default() })
            .arrivals(Arrivals::Poisson(rate))
            .service(Service::Fixed(ms(100)))
            .ticks()
            .run(Stop::Time(s(40)));
        report.ticks().iter().filter(|tick| tick.at > s(20)).map(|tick| tick.good).sum::<u64>() as f64 / 20.0
    };
    for rate in [45.0, 60.0] {
        let fifo = goodput(Server::workers(3), rate);
        let short = goodput(Server::workers(3).queue(Queue::Bound(20)), rate);
        let lifo = goodput(Server::workers(3).discipline(Discipline::Lifo), rate);
        let expired = goodput(Server::workers(3).discipline(Discipline::DropExpired), rate);
        let hopeless = goodput(Server::workers(3).discipline(Discipline::DropHopeless), rate);
        assert!(
            fifo <= 1.5 && short >= 28.5 && lifo >= 28.5 && hopeless >= 28.5,
            "{fifo} {short} {lifo} {hopeless}"
        );
        assert!(expired <= 15.0, "it serves those that are about to expire: {expired}");
    }
}

/// Four backends with caches of 12 of 40 prefixes; one prefix has 60 % of the requests.
#[test]
fn warm_or_idle() {
    let run = |policy, hot| {
        let cache = Cache { keys: 12, hit: ms(20), miss: ms(120) };
        let keys = if hot { Keys::Hot { keys: 40, share: 0.6 } } else { Keys::Uniform(40) };
        Sim::new(19)
            .servers(4, Server::workers(4).cache(cache))
            .policy(policy)
            .without_checks()
            .clients(Clients { keys, ..Clients::default() })
            .arrivals(Arrivals::Poisson(380.0))
            .run(Stop::Requests(20_000))
    };
    let ratio = run(Kind::Ring, true).mean().div_duration_f64(run(Kind::BoundedRing, true).mean());
    assert!(ratio >= 20.0, "{ratio}");
    let equal = run(Kind::Ring, false).mean().div_duration_f64(run(Kind::BoundedRing, false).mean());
    assert!(equal < 20.0, "counter-case: {equal}");
}
