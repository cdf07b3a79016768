//! Tests of ghosts and of replays: what they make of a stream.

use std::time::Duration;

use api::{
    BackendTick, Change, ControlChange, Event, Fault, Ghost, HelloBackend, Req, SCHEMA, ServerTick, Tick,
};
use balance::policy::Kind;

use super::*;
use crate::draws::{Draws, Stream, exponential};

/// The beginning of the stream, in microseconds.
const ORIGIN: u64 = 7_000_000;

fn hello(backends: usize) -> Event {
    let backend = |number| HelloBackend {
        backend: number,
        url: format!("http://127.0.0.1:{}", 3030 + number),
        weight: 1,
        mode: "ready".into(),
        ..HelloBackend::default()
    };
    Event::Hello(Box::new(Hello {
        schema: SCHEMA,
        t: ORIGIN,
        policy: "round-robin".into(),
        backends: (1..=backends).map(backend).collect(),
        ..Hello::default()
    }))
}

/// A tick of servers with one worker each.
fn tick(ms: u64, backends: usize) -> Event {
    let server = ServerTick { process: "running".into(), workers: Some(1), ..ServerTick::default() };
    let backend =
        |number| BackendTick { backend: number, server: Some(server.clone()), ..BackendTick::default() };
    let backends = (1..=backends).map(backend).collect();
    Event::Tick(Tick { t: ORIGIN + ms * 1000, backends, ..Tick::default() })
}

/// A request that arrived and was served at these times, in microseconds, without a wait.
fn req(arrived: u64, service: u64, backend: usize) -> Req {
    Req {
        t: ORIGIN + arrived + service,
        total_us: service,
        head_us: service,
        service_us: Some(service),
        server_queue_us: Some(0),
        attempts: 1,
        status: 200,
        backend: Some(backend),
        ..Req::default()
    }
}

fn event(req: Req) -> Event {
    Event::Req(Box::new(req))
}

fn line(event: &Event) -> Vec<u8> {
    let mut line = serde_json::to_vec(event).unwrap();
    line.push(b'\n');
    line
}

/// The ticks of the ghosts of these lines.
fn ghosts(options: &Follow, lines: &[Vec<u8>]) -> (Vec<Ghost>, Skipped) {
    let (mut rest, mut told) = (lines.iter(), Vec::new());
    let read = |buffer: &mut Vec<u8>| {
        rest.next().is_some_and(|line| {
            buffer.extend(line);
            true
        })
    };
    let skipped = follow(options, read, |ghost| {
        told.push(ghost);
        true
    });
    (told, skipped)
}

fn lines(events: &[Event]) -> Vec<Vec<u8>> {
    events.iter().map(line).collect()
}

fn with(policy: Kind) -> Follow {
    Follow { policies: vec![policy], ..Follow::default() }
}

/// The calls of the test of recordings: by turns, the third waits behind the first, and the fourth behind the
/// second. They take 100, 100, 90 and 90 ms, and 2 ms on the way.
fn four_calls() -> Vec<Event> {
    let call = |at: u64, takes: u64| {
        let req = req(at * 1000, takes * 1000, 1);
        event(Req { t: req.t + 2000, total_us: req.total_us + 2000, head_us: req.head_us + 2000, ..req })
    };
    vec![hello(2), tick(0, 2), call(20, 10), call(30, 10), call(0, 100), call(10, 100), tick(250, 2)]
}

#[test]
fn a_ghost_serves_the_same_calls() {
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &lines(&four_calls()));
    assert_eq!(skipped, Skipped { has_begun: true, ..Skipped::default() });
    let [Ghost { policy, tick }] = &told[..] else { panic!("one tick in 250 ms: {told:?}") };
    assert_eq!((&**policy, tick.t), ("round-robin", ORIGIN + 250_000));
    assert_eq!((tick.requests, tick.ended, tick.good, tick.in_flight), (4, 4, 4, 0));
    let load = tick.load.as_ref().unwrap();
    // The buckets of 92,000 and 102,000 microseconds: those are 4096 wide.
    assert_eq!(load.latency, [(94_207, 2), (102_399, 2)]);
    let backend =
        |backend: &BackendTick| (backend.backend, backend.picks, backend.answers, backend.in_flight);
    assert_eq!(tick.backends.iter().map(backend).collect::<Vec<_>>(), [(1, 2, 2, 0), (2, 2, 2, 0)]);
    assert_eq!(tick.backends[0].latency, [(94_207, 1), (102_399, 1)]);
    assert_eq!(tick.backends[0].server.as_ref().unwrap().workers, Some(1));
}

#[test]
fn a_recording_has_what_happened_and_what_would_have() {
    let text: Vec<u8> = lines(&four_calls()).concat();
    let recording = StreamRecording::read(&text, None).unwrap();
    assert_eq!((recording.policy(), recording.requests()), ("round-robin", 4));
    let live = recording.live();
    assert_eq!((live.mean().as_millis(), live.longest().as_millis()), (57, 102));
    assert_eq!((live.share(1), live.good()), (1.0, 4));
    let replayed = recording.replay(Kind::RoundRobin, 0);
    assert_eq!((replayed.mean().as_millis(), replayed.longest().as_millis()), (97, 102));
    // With two workers, no call waits.
    let wider = StreamRecording::read(&text, Some(2)).unwrap();
    assert_eq!(wider.replay(Kind::RoundRobin, 0).mean().as_millis(), 57);
}

#[test]
fn a_recording_without_what_a_replay_needs_is_refused() {
    let read =
        |events: &[Event]| StreamRecording::read(&lines(events).concat(), None).map(|_| ()).unwrap_err();
    assert!(read(&[]).contains("no event `hello`"));
    let unmeasured = event(Req { service_us: None, ..req(0, 10, 1) });
    assert!(read(&[hello(2), unmeasured]).contains("has `service_us`"));
    let error = read(&[hello(2), event(req(0, 10, 1)), hello(3)]);
    assert!(error.starts_with("line 3: the balancer has other backends"), "{error}");
    let error = StreamRecording::read(b"nonsense\n", None).unwrap_err();
    assert!(error.contains("(line 1: expected"), "{error}");
}

/// A stream of 20 seconds, 80 % busy. Its times are those of servers without waits, which do not matter here.
fn busy_stream() -> Vec<Event> {
    let (draws, mut now, mut events) = (Draws::new(5), 0, Vec::new());
    for number in 0.. {
        now += (exponential(draws.unit(Stream::Arrival, number)) * 15_625.0) as u64;
        let service = (exponential(draws.unit(Stream::Size, number)) * 50_000.0) as u64;
        if now + service > 20_000_000 {
            break;
        }
        let key = Some(format!("key{}", draws.bits(Stream::Key, number) % 40));
        events.push((now + service, event(Req { key, ..req(now, service, number as usize % 4 + 1) })));
    }
    let ticks = (0..=96).map(|count| (count * 250_000, tick(count * 250, 4)));
    events.extend(ticks);
    events.sort_by_key(|(t, _)| *t);
    std::iter::once(hello(4)).chain(events.into_iter().map(|(_, event)| event)).collect()
}

/// The ghost of a live stream and the replay of its recording serve the same calls in the same way.
#[test]
fn a_ghost_is_the_replay_of_the_stream_so_far() {
    let events = lines(&busy_stream());
    let recording = StreamRecording::read(&events.concat(), None).unwrap();
    for policy in
        [Kind::RoundRobin, Kind::LeastConnections, Kind::PeakEwma, Kind::TwoChoices, Kind::BoundedRing]
    {
        let (told, skipped) = ghosts(&with(policy), &events);
        let tick = &told.last().unwrap().tick;
        let replayed = recording.replay(policy, 0);
        assert_eq!((skipped.late, skipped.lines), (0, 0));
        assert!(tick.ended > 1100 && tick.in_flight == 0, "{policy}: {tick:?}");
        let picks: Vec<_> = tick.backends.iter().map(|backend| backend.picks).collect();
        let expected: Vec<_> = replayed.backends().iter().map(|backend| backend.picks).collect();
        assert_eq!((tick.ended, &picks), (replayed.calls(), &expected), "{policy}");
        let counts: u64 = told
            .iter()
            .flat_map(|ghost| &ghost.tick.load.as_ref().unwrap().latency)
            .filter(|(end, _)| Duration::from_micros(*end) > replayed.quantile(0.99))
            .map(|(_, count)| count)
            .sum();
        assert!((5..=25).contains(&counts), "{policy}: {counts} of {} are above the p99", tick.ended);
    }
}

#[test]
fn a_ghost_is_at_most_two_seconds_behind() {
    let events = lines(&busy_stream());
    let (mut rest, clock) = (events.iter(), std::cell::Cell::new(0));
    let mut times = Vec::new();
    let read = |buffer: &mut Vec<u8>| {
        let Some(line) = rest.next() else {
            clock.set(u64::MAX);
            return false;
        };
        let t = line::Told::read(line).unwrap().t().unwrap();
        clock.set(clock.get().max(t));
        buffer.extend(line);
        true
    };
    follow(&with(Kind::Random), read, |ghost| {
        times.push(ghost.tick.t);
        let behind = clock.get() - ghost.tick.t;
        assert!(behind <= 2_000_000 || clock.get() == u64::MAX, "{behind} us behind");
        true
    });
    assert_eq!(times, (1..=96).map(|count| ORIGIN + count * 250_000).collect::<Vec<_>>());
}

#[test]
fn lines_that_are_no_events_are_counted() {
    let mut lines = lines(&four_calls());
    lines.insert(1, b"{\"event\":\"req\"".to_vec());
    lines.insert(4, b"\xff\n".to_vec());
    lines.insert(5, line(&event(Req { t: u64::MAX, ..Req::default() })));
    lines.insert(0, line(&event(req(0, 1, 1))));
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &lines);
    assert_eq!(told.last().unwrap().tick.ended, 4);
    assert_eq!((skipped.lines, skipped.requests), (3, 1));
    assert!(skipped.first.unwrap().contains("EOF"));
}

#[test]
fn without_a_policy_the_ghost_has_that_of_the_stream() {
    let (told, _) = ghosts(&Follow::default(), &lines(&four_calls()));
    assert_eq!(told[0].policy, "round-robin");
    let two = Follow { policies: vec![Kind::Random, Kind::Maglev], ..Follow::default() };
    let (told, _) = ghosts(&two, &lines(&four_calls()));
    assert_eq!(told.iter().map(|ghost| &*ghost.policy).collect::<Vec<_>>(), ["random", "maglev"]);
}

#[test]
fn a_request_that_takes_too_long_arrives_late() {
    let slow = event(req(100_000, 3_000_000, 1));
    let mut events = vec![hello(2), tick(0, 2), event(req(0, 1000, 1))];
    events.extend((1..=12).map(|count| tick(count * 250, 2)));
    events.push(slow);
    events.extend((13..=30).map(|count| tick(count * 250, 2)));
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &lines(&events));
    assert_eq!((told.last().unwrap().tick.ended, skipped.late), (2, 1));
}

/// A fault of the stream is a fault of the ghost: a kill, a status, and a delay.
#[test]
fn faults_hit_the_ghost_too() {
    let fault = |ms: u64, id, kind: &'static str, params: &str| {
        Event::Fault(Fault {
            t: ORIGIN + ms * 1000,
            backend: 2,
            active: true,
            id,
            kind: kind.into(),
            params: serde_json::from_str(params).unwrap(),
            until: None,
        })
    };
    let stream = |fault: Event| {
        let mut events = vec![hello(2), tick(0, 2), fault];
        // One request each 250 ms, all served by backend 1.
        for count in 0..40 {
            events.push(event(req(count * 250_000, 20_000, 1)));
            events.push(Event::Tick(Tick { t: ORIGIN + count * 250_000 + 240_000, ..Tick::default() }));
        }
        lines(&events)
    };
    let run = |fault: Event| {
        let (told, skipped) = ghosts(&with(Kind::RoundRobin), &stream(fault));
        (told.last().unwrap().tick.clone(), skipped)
    };
    let answers = |tick: &Tick| tick.backends.iter().map(|backend| backend.answers).collect::<Vec<_>>();
    let (tick, _) = run(fault(10, Some(1), "status", r#"{"code": 503}"#));
    assert_eq!((answers(&tick), tick.errors, tick.backends[1].errors), (vec![20, 19], 19, 19));
    let Event::Fault(short) = fault(10, Some(1), "status", r#"{"code": 503}"#) else { panic!() };
    let short = Event::Fault(Fault { until: Some(ORIGIN + 5_000_000), ..short });
    assert_eq!(run(short.clone()).0.errors, 10, "those of the first 5 s");
    let replayed = StreamRecording::read(&stream(short).concat(), None).unwrap().replay(Kind::RoundRobin, 0);
    assert_eq!((replayed.calls(), replayed.errors()), (40, 10));
    let (tick, _) = run(fault(10, None, "kill", "null"));
    assert_eq!((answers(&tick), tick.errors), (vec![39, 0], 0));
    assert_eq!(tick.backends[1].server.as_ref().unwrap().process, "dead");
    let (tick, _) = run(fault(10, Some(1), "latency", r#"{"fixed": "300ms"}"#));
    // It fell for less than 0.5 s since the last answer, which took 320 ms.
    assert!(
        (304_000..=320_000).contains(&tick.backends[1].peak_us) && tick.backends[0].peak_us < 40_000,
        "{tick:?}"
    );
    let (tick, skipped) = run(fault(10, Some(1), "drip", "{}"));
    assert_eq!((answers(&tick), skipped.faults), (vec![20, 19], vec!["drip".to_owned()]));
}

#[test]
fn other_backends_are_another_session() {
    let mut events = four_calls();
    let Event::Hello(mut again) = hello(2) else { panic!() };
    again.t += 250_000;
    events.push(Event::Hello(again.clone()));
    events.push(tick(500, 2));
    let (told, _) = ghosts(&with(Kind::RoundRobin), &lines(&events));
    assert_eq!(told.last().unwrap().tick.ended, 4, "the same backends: the ghost goes on");
    let Event::Hello(mut other) = hello(3) else { panic!() };
    other.t += 500_000;
    events.push(Event::Hello(other));
    events.push(tick(1000, 3));
    let (told, _) = ghosts(&with(Kind::RoundRobin), &lines(&events));
    let last = &told.last().unwrap().tick;
    assert_eq!((last.t, last.ended, last.backends.len()), (ORIGIN + 1_000_000, 0, 3));
}

/// A change of the policy in force, in the words of the balancer.
fn policy(ms: u64, from: &str, to: &str) -> Event {
    let what = format!("policy {from} -> {to}");
    Event::Control(ControlChange { t: ORIGIN + ms * 1000, what, ..ControlChange::default() })
}

/// 40 calls with one key in 20 s, one at a time, by turns.
fn calm_stream(more: Event) -> Vec<Event> {
    let call = |n: u64| {
        let key = Some("ann".to_owned());
        event(Req { key, ..req(n * 500_000, 20_000, n as usize % 2 + 1) })
    };
    let mut events: Vec<_> = (0..40).map(call).collect();
    events.extend((1..=96).map(|count| tick(count * 250, 2)));
    events.push(more);
    let time = |event: &Event| event.time().unwrap();
    events.sort_by_key(time);
    [hello(2), tick(0, 2)].into_iter().chain(events).collect()
}

fn picks(ghost: &Ghost) -> Vec<u64> {
    ghost.tick.backends.iter().map(|backend| backend.picks).collect()
}

#[test]
fn a_ghost_follows_the_policy_in_force() {
    let both = Follow { policies: vec![Kind::Random], in_force: true, ..Follow::default() };
    let (told, skipped) = ghosts(&both, &lines(&calm_stream(policy(10_000, "round-robin", "ring"))));
    assert_eq!(skipped.policies, [""; 0]);
    let of = |name: &str| told.iter().filter(|ghost| ghost.policy == name).collect::<Vec<_>>();
    let [before, after] = [of("round-robin"), of("ring")];
    assert_eq!(of("random").len(), before.len() + after.len());
    assert_eq!(before.last().unwrap().tick.t, ORIGIN + 9_750_000, "the change is at its time, and not late");
    assert_eq!(picks(before.last().unwrap()), [10, 10]);
    // One key goes to one backend under `ring`, and the counts go on.
    let last = picks(after.last().unwrap());
    assert!(last == [10, 30] || last == [30, 10], "{last:?}");
}

#[test]
fn a_ghost_follows_weights_and_modes() {
    let change = |change| {
        Event::Control(ControlChange { t: ORIGIN + 9_900_000, change: Some(change), ..Default::default() })
    };
    let drain = change(Change::Mode { backend: 2, mode: "drain".into() });
    let (told, _) = ghosts(&with(Kind::RoundRobin), &lines(&calm_stream(drain)));
    assert_eq!(picks(told.last().unwrap()), [30, 10]);
    let heavy = change(Change::Weight { backend: 2, weight: 3 });
    let (told, _) = ghosts(&with(Kind::WeightedRoundRobin), &lines(&calm_stream(heavy)));
    let picks = picks(told.last().unwrap());
    assert!((24..=26).contains(&picks[1]), "10, and three of four of the next 20: {picks:?}");
}

#[test]
fn two_ghosts_of_one_policy_are_told_once() {
    let both = Follow { policies: vec![Kind::Random], in_force: true, ..Follow::default() };
    let (told, _) = ghosts(&both, &lines(&calm_stream(policy(10_000, "round-robin", "random"))));
    let count = |name: &str| told.iter().filter(|ghost| ghost.policy == name).count();
    assert_eq!((count("random"), count("round-robin")), (96, 39));
}

#[test]
fn a_policy_that_is_not_known_is_named_and_has_no_ghost() {
    let (told, skipped) =
        ghosts(&Follow::default(), &lines(&calm_stream(policy(10_000, "round-robin", "best"))));
    assert_eq!(told.len(), 39, "until the change");
    assert!(skipped.policies[0].contains("best") && skipped.policies[0].contains("least-connections"));
}

#[test]
fn a_balancer_that_starts_again_tells_its_policy() {
    let Event::Hello(mut again) = hello(2) else { panic!() };
    (again.t, again.policy) = (ORIGIN + 10_000_000, "ring".into());
    let (told, _) = ghosts(&Follow::default(), &lines(&calm_stream(Event::Hello(again))));
    let last = told.last().unwrap();
    assert_eq!((&*last.policy, last.tick.ended), ("ring", 40), "the calls go on");
}

#[test]
fn calls_that_wait_for_the_ghost_run_before_another_session() {
    let mut events = four_calls();
    let Event::Hello(mut other) = hello(3) else { panic!() };
    other.t += 300_000;
    events.push(Event::Hello(other));
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &lines(&events));
    assert_eq!((told.last().unwrap().tick.ended, skipped.requests), (4, 0));
}

#[test]
fn nonsense_in_the_stream_does_not_end_the_ghosts() {
    let far = |t| {
        let Event::Hello(mut far) = hello(2) else { panic!() };
        far.t = t;
        line(&Event::Hello(far))
    };
    let Event::Hello(mut many) = hello(2) else { panic!() };
    many.backends[0].backend = 1_000_000_000;
    let many = line(&Event::Hello(many));
    let calls = lines(&four_calls());
    let mut stream = calls.clone();
    for nonsense in [far(u64::MAX), far(u64::MAX - 1), many, vec![b'['; 1 << 20], line(&tick(0, 20_000))] {
        stream.push(nonsense);
    }
    stream.push(line(&tick(0, 2)));
    stream.push(line(&tick(1000, 2)));
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &stream);
    assert_eq!((told.len(), told.last().unwrap().tick.ended, skipped.lines), (4, 4, 4));
    // A time that is credible and wrong is another clock. The ghosts begin again there, and again later.
    let mut stream = vec![far(1 << 52), line(&tick(0, 2))];
    stream.extend(calls);
    let (told, _) = ghosts(&with(Kind::RoundRobin), &stream);
    assert_eq!(told.last().unwrap().tick.ended, 4);
}

#[test]
fn a_ghost_that_cannot_serve_has_a_bound() {
    // 60,000 calls of a minute each, at two servers with one worker.
    let mut events = vec![hello(2), tick(0, 2)];
    events.extend((0..60_000).map(|n| event(Req { service_us: Some(60_000_000), ..req(n, 10, 1) })));
    events.extend((1..=12).map(|count| tick(count * 250, 2)));
    let (told, skipped) = ghosts(&with(Kind::RoundRobin), &lines(&events));
    assert_eq!((told.last().unwrap().tick.in_flight, skipped.surplus), (50_000, 10_000));
}

#[test]
fn addresses_are_read() {
    let read = |url| address(url).map(|address| (address.host, address.port));
    assert_eq!(read("http://localhost:3031"), Some(("localhost".to_owned(), 3031)));
    assert_eq!(read("http://[::1]:80"), Some(("::1".to_owned(), 80)));
    assert_eq!(read("http://localhost"), None);
}
