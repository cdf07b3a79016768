//! Random events, from a seed: such that they meet, and with everything that may be missing.

use api::{
    BackendTick, Buckets, Change, ControlChange, Decision, Event, Fault, Gap, Ghost, Hello, HelloBackend,
    Load, LoadTick, Probe, Progress, Req, SCHEMA, ServerTick, StateChange, Tick, Why, Word,
};
use serde_json::json;

const STATES: [&str; 5] = ["up", "suspect", "ejected", "down", "a new one"];
const POLICIES: [&str; 3] = ["round-robin", "random", "ring"];

/// A lab that does something else at each event.
pub(super) struct Lab {
    random: u64,
    /// Whether time passes evenly and sums only rise, so that ghosts live for long.
    is_calm: bool,
    now: u64,
    sums: [[u64; 6]; 4],
    requests: u64,
    offered: u64,
}

impl Lab {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: seed, is_calm: seed % 2 == 1, now: 0, sums: [[0; 6]; 4], requests: 0, offered: 0 }
    }

    /// A number below `end`, by splitmix64.
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(2) == 0).then_some(value)
    }

    fn one_of(&mut self, words: &[&'static str]) -> Word {
        words[self.below(words.len() as u64) as usize].into()
    }

    fn backend(&mut self) -> usize {
        1 + self.below(5) as usize
    }

    /// Some time passes; now and then much, and now and then an event comes late.
    fn time(&mut self) -> u64 {
        if self.is_calm {
            self.now += 50_000 + self.below(200_000);
            return self.now;
        }
        let steps = [0, 1, 249_000, 250_000, 251_000, 250_000, 2_000_000, 40_000_000];
        let most = if self.below(40) == 0 { 8 } else { 6 };
        self.now += steps[self.below(most) as usize];
        let late = if self.below(12) == 0 { self.below(3_000_000) } else { 0 };
        self.now.saturating_sub(late)
    }

    fn buckets(&mut self) -> Buckets {
        (0..self.below(4)).map(|_| (self.below(40) * 1023, self.below(30))).collect()
    }

    fn progress(&mut self) -> Option<Progress> {
        let progress = Progress { towards: self.one_of(&STATES), count: self.below(3) as u32, of: 3 };
        self.maybe(progress)
    }

    pub(super) fn event(&mut self) -> Event {
        match self.below(if self.is_calm { 300 } else { 30 }) {
            0 => self.hello(),
            1..=11 => Event::Tick(self.tick()),
            12 | 13 => self.state(),
            14 => self.probe(),
            15 | 16 => self.fault(),
            17 | 18 => self.control(),
            19 => self.load(),
            20..=22 => Event::Req(Box::new(self.request())),
            23 | 24 => self.why(),
            25..=28 | 150.. => Event::Ghost(Ghost { policy: self.one_of(&POLICIES), tick: self.tick() }),
            30..150 => Event::Tick(self.tick()),
            _ => Event::Gap(Gap { from: self.below(9), to: self.below(9) }),
        }
    }

    fn hello(&mut self) -> Event {
        let backends = (1..=self.below(5) as usize).map(|backend| HelloBackend {
            backend,
            url: format!("http://localhost:{}", 3030 + backend),
            weight: self.below(4) as u32,
            mode: self.one_of(&["ready", "drain"]),
            state: self.one_of(&STATES),
            cause: "connected".into(),
        });
        let backends = backends.collect();
        Event::Hello(Box::new(Hello {
            schema: if self.below(15) == 0 { 7 } else { SCHEMA },
            epoch_unix_us: 1000 + self.below(8) / 7,
            t: self.time(),
            policy: self.one_of(&POLICIES),
            policies: POLICIES.map(Word::from).to_vec(),
            seed: self.maybe(42),
            backends,
            ..Hello::default()
        }))
    }

    fn tick(&mut self) -> Tick {
        let t = self.time();
        if !self.is_calm && self.below(25) == 0 {
            (self.sums, self.requests, self.offered) = ([[0; 6]; 4], 0, 0);
        }
        let mut backends = Vec::new();
        for number in 0..4 {
            for sum in 0..6 {
                self.sums[number][sum] += self.below([12, 12, 3, 3, 3, 2][sum]);
            }
            if self.below(4) > 0 {
                backends.push(self.backend_tick(number));
            }
        }
        self.requests += self.below(40);
        self.offered += self.below(40);
        let (sum, offered) = (self.requests, self.offered);
        let load = LoadTick {
            offered,
            done: offered - offered / 10,
            good: offered / 2,
            errors: offered / 3,
            waiting: self.below(9),
            latency: self.buckets(),
            uncorrected: self.buckets(),
            ..LoadTick::default()
        };
        Tick {
            t,
            requests: sum,
            good: sum / 2,
            errors: sum / 7,
            in_flight: self.below(30),
            connections: self.below(9),
            one_in: self.below(5) as u32,
            backends,
            load: self.maybe(load),
            ..Tick::default()
        }
    }

    fn backend_tick(&mut self, number: usize) -> BackendTick {
        let [picks, answers, errors, failures, retries, hedges] = self.sums[number];
        let faults: Vec<String> = self.maybe("status 503 100 %".to_owned()).into_iter().collect();
        let server = ServerTick {
            process: self.one_of(&["running", "stopped", "dead"]),
            busy: self.below(3) as u32,
            workers: self.maybe(2),
            queued: self.below(9) as u32,
            queue: self.maybe(50),
            faults,
        };
        BackendTick {
            backend: number + 1,
            picks,
            answers,
            errors: errors.min(answers),
            failures,
            retries,
            hedges,
            in_flight: self.below(9) as u32,
            waiting: self.below(3) as u32,
            weight: self.below(4) as u32,
            warm: self.maybe(0.25),
            latency: self.buckets(),
            server: self.maybe(server),
            ..BackendTick::default()
        }
    }

    fn state(&mut self) -> Event {
        Event::State(StateChange {
            t: self.time(),
            backend: self.backend(),
            from: self.one_of(&STATES),
            to: self.one_of(&STATES),
            cause: "silent for 500 ms".into(),
            progress: self.progress(),
        })
    }

    fn probe(&mut self) -> Event {
        Event::Probe(Probe {
            t: self.time(),
            backend: self.backend(),
            ok: self.below(2) == 0,
            what: "connection \"refused\" \u{1b}[2J ä".into(),
            took_us: self.below(900),
            progress: self.progress(),
        })
    }

    fn fault(&mut self) -> Event {
        let id = self.below(4);
        let params =
            json!({"percent": 30.0, "code": 503, "share": 0.5, "for": "10s", "match": {"path": "/ä"}});
        Event::Fault(Fault {
            t: self.time(),
            backend: self.backend(),
            active: self.below(3) > 0,
            id: self.maybe(id),
            kind: self.one_of(&["kill", "stop", "status", "latency"]),
            params: self.maybe(params).unwrap_or_default(),
            until: None,
        })
    }

    fn control(&mut self) -> Event {
        let (t, backend) = (self.time(), self.backend());
        let policy = self.one_of(&POLICIES);
        let change = match self.below(9) {
            0 => Change::Policy { policy },
            1 => Change::Mode { backend, mode: self.one_of(&["ready", "drain"]) },
            2 => Change::Weight { backend, weight: self.below(9) as u32 },
            3 => Change::Added { backend, url: "http://localhost:9".into() },
            4 => Change::Removed { backend },
            5 => Change::Ghost { policy: self.maybe(policy) },
            6 => Change::Secret { since: t.saturating_sub(7) },
            7 => Change::Revealed { backend, fault: "latency".into(), after_us: self.below(9_000_000) },
            _ => Change::Reset,
        };
        let change = self.maybe(change);
        Event::Control(ControlChange { t, what: "something".into(), by: "a test".into(), change })
    }

    fn load(&mut self) -> Event {
        Event::Load(Load {
            t: self.time(),
            control: self.one_of(&["open", "closed"]),
            rate: self.below(50) as f64 / 4.0,
            clients: self.below(9) as usize,
        })
    }

    fn request(&mut self) -> Req {
        let backend = self.backend();
        let tried = (0..self.below(3)).map(|_| (self.backend(), "connection refused".into())).collect();
        Req {
            t: self.time(),
            id: self.below(60),
            n: self.below(3) as u32,
            method: "GET".into(),
            path: "/busy/20000?<b>".into(),
            status: 200,
            backend: self.maybe(backend),
            attempts: self.below(3) as u32,
            retries: (self.below(6) / 5) as u32,
            tried,
            failure: self.maybe("timeout".into()),
            queue_us: self.below(900),
            total_us: self.below(90_000),
            key: self.maybe("127.0.0.1".to_owned()),
            ..Req::default()
        }
    }

    fn why(&mut self) -> Event {
        let decision = |text: &str| Decision { because: text.to_owned(), ..Decision::default() };
        let all = [decision("an earlier choice"), decision("its turn")];
        let decisions = all[..self.below(3) as usize].to_vec();
        Event::Why(Box::new(Why { id: self.below(60), decisions }))
    }
}
