//! What a server does to a few requests. All times are calculated by hand.

use std::time::Duration;

use sim::{
    Arrivals, Backoff, Cache, Clients, Collections, Discipline, Fault, Keys, OnDisconnect, Queue, Report,
    Server, Service, Sim, Stop, ms, s,
};

const EVER: Duration = Duration::MAX;

/// One server without a balancer's own checks, with requests of 100 ms at these times.
fn server(server: Server, arrivals: &[u64]) -> Sim {
    let times = arrivals.iter().map(|at| ms(*at)).collect();
    Sim::new(1)
        .servers(1, server)
        .without_checks()
        .arrivals(Arrivals::Trace(times))
        .service(Service::Fixed(ms(100)))
        .keep_latencies()
}

/// The latencies in milliseconds, in the order in which the calls end.
fn latencies(sim: &Sim, calls: u64) -> Vec<u64> {
    let report = sim.run(Stop::Requests(calls));
    report.latencies().iter().map(|latency| latency / 1_000_000).collect()
}

#[test]
fn workers_share_one_queue() {
    assert_eq!(latencies(&server(Server::workers(1), &[0, 10, 20]), 3), [100, 190, 280]);
    assert_eq!(latencies(&server(Server::workers(2), &[0, 10, 20]), 3), [100, 100, 180]);
    assert_eq!(latencies(&server(Server::unlimited(), &[0, 10, 20]), 3), [100, 100, 100]);
}

#[test]
fn the_queue_has_an_order() {
    let lifo = Server::workers(1).discipline(Discipline::Lifo);
    assert_eq!(latencies(&server(lifo, &[0, 10, 20]), 3), [100, 180, 290]);
}

#[test]
fn a_full_queue_refuses() {
    let short = Server::workers(1).queue(Queue::Bound(1));
    let report = server(short, &[0, 10, 20]).run(Stop::Requests(3));
    assert_eq!((report.good(), report.errors(), report.reasons()["status 503"]), (2, 1, 1));
    assert_eq!((report.backends()[0].max_queue, report.backends()[0].waited), (1, 1));
    assert_eq!(report.backends()[0].max_in_flight, 3, "the balancer counts a request until it is refused");
}

#[test]
fn work_that_is_begun_goes_on_at_the_new_speed() {
    // 50 ms of work at the usual speed, 10 ms in the slow 100 ms, and the last 40 ms at the usual speed.
    let slow = Fault::Slow { backend: 1, times: 10.0, lasts: ms(100) };
    assert_eq!(latencies(&server(Server::workers(1), &[0]).at(ms(50), slow), 1), [190]);
    // Two slow faults at once multiply.
    let twice = Fault::Slow { backend: 1, times: 2.0, lasts: EVER };
    let both = server(Server::workers(1), &[0]).at(ms(50), slow).at(ms(0), twice);
    // 25 ms of work in the first 50, 5 ms in the next 100, and 70 ms of work in the last 140.
    assert_eq!(latencies(&both, 1), [290]);
}

#[test]
fn a_stopped_process_keeps_its_requests() {
    let stopped = |server: Sim| {
        server.at(ms(30), Fault::Stop { backend: 1 }).at(ms(530), Fault::Continue { backend: 1 })
    };
    // The second request comes while the process is stopped: the kernel keeps it.
    assert_eq!(latencies(&stopped(server(Server::workers(1), &[0, 40])), 2), [600, 660]);
    let short = server(Server::workers(1).queue(Queue::Bound(0)), &[0, 40]);
    let report = stopped(short).run(Stop::Requests(2));
    assert_eq!((report.good(), report.errors()), (1, 1), "when it continues, its queue is full");
    assert_eq!(report.backends()[0].max_queue, 1, "the request waits in the kernel");
}

#[test]
fn a_cold_server_becomes_warm() {
    let cold = Fault::Cold { backend: 1, from: 0.1, over: s(1) };
    let late: Vec<u64> = vec![0, 2000];
    let found = latencies(&server(Server::workers(1), &late).at(ms(0), cold), 2);
    // The speed after t seconds is 0.1 + 0.9 t: 0.1 t + 0.45 t^2 = 0.1 holds at t = 0.373. It grows in 64
    // steps, so that the request takes up to 1/64 s longer.
    assert!((373..=389).contains(&found[0]) && found[1] == 100, "{found:?}");
}

#[test]
fn a_collection_stops_all_work() {
    let collects = Server::workers(1).collections(Collections { every: ms(250), lasts: ms(50) });
    // Pauses from 250 to 300 ms and from 500 to 550 ms.
    assert_eq!(latencies(&server(collects, &[0, 200, 390]), 3), [100, 150, 100]);
    let collects = Server::workers(1).collections(Collections { every: ms(250), lasts: ms(50) });
    assert_eq!(latencies(&server(collects, &[260, 420]), 2), [140, 150]);
}

#[test]
fn statuses_hit_a_share_of_the_requests() {
    let fault = Fault::Status { backend: 1, code: 500, percent: 30.0, takes: Some(ms(1)), lasts: EVER };
    let sim = Sim::new(5).servers(1, Server::unlimited()).without_checks().arrivals(Arrivals::Even(1000.0));
    let sim = sim.service(Service::Fixed(ms(100))).at(ms(0), fault);
    let report = sim.run(Stop::Requests(10_000));
    // 3000 with a standard deviation of 46.
    assert!(report.errors().abs_diff(3000) < 230, "{}", report.errors());
    assert!(report.quantile(0.25) < ms(2) && report.quantile(0.5) > ms(99), "an error takes 1 ms");
    // A fault of another backend at the same time does not change which requests this fault hits.
    let other = Fault::Status { backend: 2, code: 500, percent: 50.0, takes: None, lasts: EVER };
    assert_eq!(sim.at(ms(0), other).run(Stop::Requests(10_000)).errors(), report.errors());
}

fn patient_for(patience: Duration) -> Clients {
    Clients { patience: Some(patience), ..Clients::default() }
}

/// Two requests; the client of the second one leaves before a worker is free.
fn two(discipline: Discipline, on_disconnect: OnDisconnect) -> Report {
    let server_ = Server::workers(1).discipline(discipline).on_disconnect(on_disconnect);
    server(server_, &[0, 60, 170]).clients(patient_for(ms(135))).run(Stop::Requests(3))
}

#[test]
fn work_for_a_client_that_has_left_is_wasted_unless_it_is_dropped() {
    // The second client waits from 60 to 195 ms; its request would run from 100 to 200 ms.
    let wasted = two(Discipline::Fifo, OnDisconnect::Continue);
    // So the third one begins at 200 ms and ends at 300 ms, within its patience until 305 ms.
    assert_eq!((wasted.good(), wasted.reasons()["timeout"], wasted.longest()), (2, 1, ms(135)));
    assert_eq!(wasted.backends()[0].answers, 3, "one of them is for no client");
    let cancelled = two(Discipline::Fifo, OnDisconnect::Cancel);
    // The second one leaves its worker at 195 ms, so that the third one ends at 295 ms.
    assert_eq!((cancelled.good(), cancelled.errors()), (2, 1));
    assert_eq!(latest(&cancelled), 125);
    // The second one cannot end in time: it is not begun at 100 ms, and the third one finds an idle worker.
    let hopeless = two(Discipline::DropHopeless, OnDisconnect::Continue);
    assert_eq!((hopeless.reasons()["status 503"], latest(&hopeless)), (1, 100));
}

fn latest(report: &Report) -> u64 {
    report.latencies().last().map_or(0, |last| last / 1_000_000)
}

#[test]
fn an_expired_request_is_not_begun() {
    let sim = |discipline| {
        let server_ = Server::workers(1).discipline(discipline).on_disconnect(OnDisconnect::Continue);
        server(server_, &[0, 1, 2, 90]).clients(patient_for(ms(101)))
    };
    // The worker takes the second request at 100 ms. The others leave at 102, 103 and 191 ms.
    let report = sim(Discipline::DropExpired).run(Stop::Time(s(1)));
    assert_eq!((report.good(), report.backends()[0].answers), (1, 2), "the third and the fourth are dropped");
    let report = sim(Discipline::Fifo).run(Stop::Time(s(1)));
    assert_eq!(
        (report.good(), report.backends()[0].answers),
        (1, 4),
        "counter-case: all are served for no client"
    );
}

#[test]
fn clients_try_again_after_a_pause() {
    let clients =
        Clients { retries: 2, backoff: Backoff { first: ms(50), jitter: false }, ..patient_for(ms(80)) };
    let report = server(Server::workers(1), &[0]).clients(clients).run(Stop::Requests(1));
    // Three tries of 80 ms, with pauses of 50 and 100 ms.
    assert_eq!((report.errors(), report.resends(), report.longest()), (1, 2, ms(390)));
    let error = Fault::Status { backend: 1, code: 500, percent: 100.0, takes: Some(ms(5)), lasts: ms(20) };
    let clients =
        Clients { retries: 1, backoff: Backoff { first: ms(50), jitter: false }, ..Clients::default() };
    let report = server(Server::workers(1), &[0]).clients(clients).at(ms(0), error).run(Stop::Requests(1));
    assert_eq!((report.good(), report.longest()), (1, ms(155)), "5 ms, a pause of 50 ms, and 100 ms");
}

#[test]
fn a_cache_knows_the_keys_that_were_used_last() {
    let cache = Cache { keys: 2, hit: ms(1), miss: ms(10) };
    let keys = [1, 2, 1, 3, 2, 3].map(Some);
    let clients = Clients { keys: Keys::Trace(keys.into()), ..Clients::default() };
    let sim = server(Server::workers(1).cache(cache), &[0, 100, 200, 300, 400, 500]).clients(clients);
    // The third key takes the place of the second, which was used before the first.
    assert_eq!(latencies(&sim, 6), [10, 10, 1, 10, 10, 1]);
}

#[test]
fn a_process_that_starts_again_has_an_empty_cache() {
    let cache = Cache { keys: 2, hit: ms(1), miss: ms(10) };
    let clients = Clients { keys: Keys::Trace([1, 1, 1].map(Some).into()), ..Clients::default() };
    let sim = server(Server::workers(1).cache(cache), &[0, 20, 100]).clients(clients);
    let sim = sim.at(ms(50), Fault::Kill { backend: 1 }).at(ms(60), Fault::Start { backend: 1 });
    assert_eq!(latencies(&sim, 3), [10, 1, 10]);
}

#[test]
fn a_run_in_which_nothing_can_happen_ends() {
    let sim = server(Server::workers(1), &[0, 10]).at(ms(50), Fault::Stop { backend: 1 });
    let report = sim.pings(Some(sim::Pings::default())).run(Stop::Requests(2));
    assert_eq!((report.calls(), report.unfinished()), (0, 2));
    assert!(report.duration() < s(120), "{:?}", report.duration());
}

#[test]
fn a_fault_adds_to_the_service_and_holds_the_worker() {
    let latency = |percent| Fault::Latency { backend: 1, adds: ms(400), percent, lasts: s(1) };
    let sim = server(Server::workers(1), &[0, 10, 2000]).at(ms(0), latency(100.0));
    assert_eq!(latencies(&sim, 3), [500, 990, 100]);
    // A cache gives the work, and the fault adds to it.
    let cache = Cache { keys: 1, hit: ms(1), miss: ms(50) };
    let cached = server(Server::workers(1).cache(cache), &[0]).at(ms(0), latency(100.0));
    assert_eq!(latencies(&cached, 1), [450]);
    let times: Vec<_> = (0..400).map(|count| count * 10).collect();
    let some = server(Server::unlimited(), &times)
        .at(ms(0), Fault::Latency { backend: 1, adds: ms(400), percent: 25.0, lasts: EVER });
    let hit = latencies(&some, 400).iter().filter(|latency| **latency == 500).count();
    // 100 are expected, with a standard deviation of 8.7.
    assert!(hit.abs_diff(100) < 44, "{hit} of 400");
}

#[test]
fn a_server_gets_more_workers_and_fewer() {
    let capacity = |workers| Fault::Capacity { backend: 1, workers: Some(workers), queue: Some(1) };
    // At 50 ms, the two that wait find workers.
    let wider = server(Server::workers(1), &[0, 10, 20]).at(ms(50), capacity(3));
    assert_eq!(latencies(&wider, 3), [100, 140, 130]);
    // At 50 ms, both are served, and the third waits for both.
    let narrower = server(Server::workers(2), &[0, 10, 60]).at(ms(50), capacity(1));
    assert_eq!(latencies(&narrower, 3), [100, 100, 150]);
    // The queue has a bound of 1 from then on.
    let full = server(Server::workers(1), &[0, 60, 70]).at(ms(50), capacity(1));
    assert_eq!(full.run(Stop::Requests(3)).reasons()["status 503"], 1);
}

#[test]
fn the_time_on_the_way_holds_no_worker_and_is_part_of_the_latency() {
    let sim = server(Server::workers(1), &[0, 10]).path(Service::Fixed(ms(7)));
    assert_eq!(latencies(&sim, 2), [107, 197]);
    // The server is killed when the answer is on the way: it arrives.
    let killed = sim.clone().at(ms(103), Fault::Kill { backend: 1 });
    assert_eq!(latencies(&killed, 1), [107]);
    // The client leaves when the answer is on the way.
    let patience = Clients { patience: Some(ms(105)), ..Clients::default() };
    let left = server(Server::workers(1), &[0]).path(Service::Fixed(ms(7))).clients(patience);
    assert_eq!(left.run(Stop::Requests(1)).reasons()["timeout"], 1);
    // It comes again 1 ms later. The answer to its first try is not taken for the answer to the second.
    let backoff = Backoff { first: ms(1), jitter: false };
    let again = Clients { patience: Some(ms(105)), retries: 1, backoff, ..Clients::default() };
    let twice = server(Server::workers(1), &[0]).path(Service::Fixed(ms(7))).clients(again);
    assert_eq!((latencies(&twice, 1), twice.run(Stop::Requests(1)).errors()), (vec![105 + 1 + 105], 1));
}
