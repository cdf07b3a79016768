//! Servers that stand still: what happens to the requests in their queues. Times are calculated by hand.

use std::time::Duration;

use balance::verdict::Limits;
use sim::{
    Arrivals, Clients, Collections, Discipline, Fault, OnDisconnect, Queue, Report, Server, Service, Sim,
    Stop, ms, s,
};

const DISCIPLINES: [Discipline; 5] = [
    Discipline::Fifo,
    Discipline::Lifo,
    Discipline::DropExpired,
    Discipline::DropHopeless,
    Discipline::ForgetRest,
];

/// Two servers that are 90 % busy, with this discipline and reaction.
fn two(seed: u64, discipline: Discipline, on_disconnect: OnDisconnect, patience: Option<Duration>) -> Sim {
    Sim::new(seed)
        .servers(2, Server::workers(1).discipline(discipline).on_disconnect(on_disconnect))
        .arrivals(Arrivals::Poisson(60.0))
        .service(Service::Exp(ms(30)))
        .clients(Clients { patience, ..Clients::default() })
}

/// The requests of a silent backend leave it one by one. Each of them frees a worker or a place in the queue.
#[test]
fn requests_leave_a_silent_backend_under_every_discipline() {
    let slow = Fault::Slow { backend: 1, times: 1000.0, lasts: s(3) };
    for discipline in DISCIPLINES {
        for on_disconnect in [OnDisconnect::Continue, OnDisconnect::Cancel] {
            for (seed, patience) in (1..=20).flat_map(|seed| [(seed, None), (seed, Some(s(1)))]) {
                let sim = || two(seed, discipline, on_disconnect, patience);
                let stopped = sim().at(s(3), Fault::Stop { backend: 1 });
                let continued = stopped.clone().at(s(6), Fault::Continue { backend: 1 });
                for sim in [stopped, continued, sim().at(s(3), slow)] {
                    let report = sim.run(Stop::Time(s(9)));
                    // 180 calls in 3 s, then 33 a second at one server: 380 ± 19.
                    assert!(report.calls() > 290, "{discipline:?}, {on_disconnect:?}, seed {seed}");
                }
            }
        }
    }
}

/// One server without a balancer's own checks, with requests of 100 ms at these times.
fn one(server: Server, arrivals: &[u64], patience: Duration) -> Sim {
    let times = arrivals.iter().map(|at| ms(*at)).collect();
    Sim::new(1)
        .servers(1, server)
        .without_checks()
        .arrivals(Arrivals::Trace(times))
        .service(Service::Fixed(ms(100)))
        .clients(Clients { patience: Some(patience), ..Clients::default() })
        .keep_latencies()
}

/// The latencies of all calls in milliseconds, in the order in which the calls end.
fn latencies(report: &Report) -> Vec<u64> {
    report.latencies().iter().map(|latency| latency / 1_000_000).collect()
}

#[test]
fn a_stopped_process_answers_no_503_to_its_queue() {
    for discipline in DISCIPLINES {
        let server = Server::workers(1).discipline(discipline);
        let sim = one(server, &[0, 60], ms(120)).at(ms(50), Fault::Stop { backend: 1 });
        // The second request is in the kernel. The first one comes to a process that runs.
        let report = sim.run(Stop::Requests(2));
        assert_eq!((report.good(), report.reasons()["timeout"]), (0, 2), "{discipline:?}");
        // The second one is in the queue when the process stops, and the first one leaves its worker then.
        let server = Server::workers(1).discipline(discipline);
        let sim = one(server, &[0, 10], ms(120)).at(ms(50), Fault::Stop { backend: 1 });
        assert_eq!(sim.run(Stop::Requests(2)).reasons().get("status 503"), None, "{discipline:?}");
    }
}

#[test]
fn a_process_that_continues_takes_its_queue_before_the_requests_in_the_kernel() {
    let sim = one(Server::workers(1), &[0, 140, 155], ms(350));
    // The server is slow from 50 to 150 ms and stopped from 150 to 360 ms. The first client leaves at
    // 350 ms. The second request is in the queue, and is served from 360 to 460 ms. The third one is in the
    // kernel, and its client leaves at 505 ms.
    let sim = sim.at(ms(50), Fault::Slow { backend: 1, times: 1000.0, lasts: ms(100) });
    let sim = sim.at(ms(150), Fault::Stop { backend: 1 }).at(ms(360), Fault::Continue { backend: 1 });
    let report = sim.run(Stop::Requests(3));
    assert_eq!((latencies(&report), report.reasons()["timeout"]), (vec![350, 320, 350], 2));
}

#[test]
fn a_paused_process_keeps_its_queue() {
    let pauses = Collections { every: ms(1000), lasts: ms(200) };
    for discipline in [Discipline::Fifo, Discipline::Lifo, Discipline::DropExpired, Discipline::DropHopeless]
    {
        let server = Server::workers(1).discipline(discipline).collections(pauses);
        let sim = |arrivals| one(server.clone(), arrivals, ms(200));
        // The pause is from 1000 to 1200 ms. The first client leaves at 1160 ms, the second at 1180 ms.
        let report = sim(&[960, 980]).run(Stop::Requests(2));
        assert_eq!(report.reasons()["timeout"], 2, "{discipline:?}: {:?}", report.reasons());
        // The first client leaves at 1160 ms. The third request finds a free worker in the pause, and a
        // queue. The server serves both from 1200 ms on. Their clients leave at 1320 and 1380 ms.
        let report = sim(&[960, 1120, 1180]).run(Stop::Requests(3));
        let served = match discipline {
            // The third one ends at 1300 ms, and the second one would end at 1400 ms.
            Discipline::Lifo => vec![200, 120, 200],
            // The third one would end at 1400 ms. The server answers 503 at 1300 ms.
            Discipline::DropHopeless => vec![200, 180, 120],
            _ => vec![200, 180, 200],
        };
        assert_eq!(latencies(&report), served, "{discipline:?}");
        assert_eq!(report.good(), 1, "{discipline:?}");
    }
}

#[test]
fn clients_that_do_not_think_call_once_in_a_millisecond_if_nothing_listens() {
    let think = Service::Fixed(Duration::ZERO);
    let sim = Sim::new(1)
        .servers(1, Server::workers(1))
        .without_checks()
        .limits(Limits { retries: 0, retry_delay: Duration::ZERO, attempts: 1 })
        .arrivals(Arrivals::Closed { clients: 2, think })
        .service(Service::Fixed(ms(50)))
        .at(ms(0), Fault::Kill { backend: 1 });
    // Each client calls at 0, 1, 2 … 10 ms.
    assert_eq!(sim.run(Stop::Time(ms(10))).errors(), 22);
}

#[test]
fn an_expired_request_leaves_the_queue_at_its_deadline() {
    // The clients at 0 and 10 ms leave at 60 and 70 ms. The server finishes the first request all the same.
    let refused = |discipline| {
        let server = Server::workers(1).discipline(discipline).queue(Queue::Bound(1));
        let sim = one(server.on_disconnect(OnDisconnect::Continue), &[0, 10, 80], ms(60));
        sim.run(Stop::Requests(3)).reasons().get("status 503").copied()
    };
    assert_eq!(refused(Discipline::DropExpired), None, "the queue is empty at 80 ms");
    assert_eq!(refused(Discipline::Fifo), Some(1), "counter-case: the second request is still in the queue");
}
