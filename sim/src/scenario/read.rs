//! From the form of a scenario to a simulation.

use std::time::Duration;

use balance::policy::Kind;
use toml::Spanned;

use crate::balancer::{Balancing, Pings, Places};
use crate::client::{Backoff, Clients, Keys};
use crate::clock::ms;
use crate::faults::Fault;
use crate::server::{Cache, Collections, Discipline, OnDisconnect, Probes, Queue, Server};
use crate::settings::{Sim, Stop};

use super::Scenario;
use super::form::{
    BalancerForm, ClientForm, FaultForm, FaultKind, Form, Order, PingKind, Reaction, ServerForm,
};
use super::laws::{arrivals, law};
use super::rules::{budget, rules};
use super::values::{Bound, Count, Part, Policy, Positive, Time, Whole, Workers};

/// The largest number of servers.
const MAX_SERVERS: usize = 100_000;

/// The largest number of pairs of a balancer and a backend. Each has a state of its own.
const MAX_PAIRS: usize = 10_000_000;

/// A mistake in a scenario.
#[derive(Debug)]
pub(super) struct Problem {
    /// Where it is: bytes from the beginning of the text.
    pub(super) at: Option<usize>,
    /// What is wrong, and what to write instead.
    pub(super) what: String,
}

/// The most calls of a run by their number: some minutes of processor time for each policy.
const MOST_REQUESTS: u64 = 100_000_000;

/// The scenario of a form.
pub(super) fn scenario(form: Form) -> Result<Scenario, Problem> {
    let problem = |what: &str| Problem { at: None, what: what.to_owned() };
    let stop = match (form.requests.map(|count| count.0), form.time) {
        (Some(0), None) => return Err(problem("requests = 0 is no run; write at least 1, such as 100000")),
        (None, Some(Time(Duration::ZERO))) => {
            return Err(problem("time = \"0s\" is no run; write a longer time, such as \"60s\""));
        }
        (Some(requests), None) if requests > MOST_REQUESTS => {
            let what = format!("requests = {requests}: write at most {MOST_REQUESTS}");
            return Err(Problem { at: None, what });
        }
        (Some(requests), None) => Stop::Requests(requests),
        (None, Some(Time(time))) => Stop::Time(time),
        (Some(_), Some(_)) => return Err(problem("a run has one end; write either requests or time")),
        (None, None) => {
            return Err(problem("a run needs an end; write requests = 100000, or time = \"60s\""));
        }
    };
    let mut sim = Sim::new(form.seed.map_or(0, |seed| seed.0));
    if let Some(calls) = form.warm_up {
        sim = sim.warm_up(placed(calls, |calls| warm_up(calls.0, form.requests.map(|count| count.0)))?);
    }
    for row in form.servers {
        let others = sim.servers.len();
        let (count, made) = placed(row, |form| server(form, others))?;
        sim = sim.servers(count, made);
    }
    let backends = sim.servers.len();
    if backends == 0 {
        return Err(problem("there are no servers; write [[servers]], and below it count = 4"));
    }
    if sim.servers.iter().all(|server| server.weight == 0) {
        return Err(problem(
            "all servers have the weight 0, so none gets a call; write weight = 1, or no weight",
        ));
    }
    let (mut teaching, mut explains) = (false, false);
    if let Some(balancer) = form.balancer {
        (teaching, explains) = (balancer.as_ref().teaching, balancer.as_ref().explain);
        sim = sim.balancing(placed(balancer, |form| balancing(&form, backends))?);
    }
    if let Some(form) = form.clients {
        sim = sim.clients(placed(form, |form| clients(&form))?);
    }
    sim = sim.arrivals(placed(form.arrivals, arrivals)?);
    sim = sim.service(placed(form.service, |form| law(&form))?);
    for row in form.fault {
        let (at, fault) = placed(row, |form| fault(&form, backends))?;
        sim = sim.at(at, fault);
    }
    let allowed = |policy: Spanned<Policy>| placed(policy, |policy| allowed(policy.0, teaching));
    let policies = form.policies.into_iter().map(allowed).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = policies.iter().enumerate().find(|(at, policy)| policies[..*at].contains(policy)) {
        return Err(problem(&format!("{} is there twice in policies; write it once", twice.1)));
    }
    let sim = if explains { sim.explain() } else { sim };
    Ok(Scenario { title: form.title, sim, stop, policies, teaching })
}

/// A policy, if the scenario may use it.
pub(super) fn allowed(policy: Kind, teaching: bool) -> Result<Kind, String> {
    match policy {
        Kind::Teaching(_) if !teaching => Err(format!(
            "{policy} is a policy for teaching, which is wrong on purpose; write teaching = true below [balancer]"
        )),
        _ => Ok(policy),
    }
}

/// Reads a part, and adds its place to a mistake.
fn placed<F, T>(form: Spanned<F>, read: impl FnOnce(F) -> Result<T, String>) -> Result<T, Problem> {
    let at = form.span().start;
    // The line of a table is that of its heading: count the line feed before its first key.
    read(form.into_inner()).map_err(|what| Problem { at: Some(at + 1), what })
}

/// The calls that no figure counts.
fn warm_up(calls: u64, requests: Option<u64>) -> Result<u64, String> {
    match requests {
        Some(requests) if calls > 0 && calls >= requests => Err(format!(
            "warm_up = {calls} leaves none of {requests} requests; write less than {requests}, such as {}",
            requests / 10
        )),
        _ => Ok(calls),
    }
}

/// Some servers beside so many others.
fn server(form: ServerForm, others: usize) -> Result<(usize, Server), String> {
    let Whole(count) = form.count;
    let count = count as usize;
    if others + count > MAX_SERVERS {
        return Err(format!(
            "there are {} servers; write smaller counts, together at most {MAX_SERVERS}",
            others + count
        ));
    }
    let mut server = match form.workers {
        None => Server::workers(1),
        Some(Workers(None)) => Server::unlimited(),
        Some(Workers(Some(workers))) => Server::workers(workers),
    };
    if let Some(Bound(Some(bound))) = form.queue {
        server = server.queue(Queue::Bound(bound));
    }
    server = server.discipline(match form.discipline.unwrap_or(Order::Fifo) {
        Order::Fifo => Discipline::Fifo,
        Order::Lifo => Discipline::Lifo,
        Order::DropExpired => Discipline::DropExpired,
        Order::DropHopeless => Discipline::DropHopeless,
    });
    server = server.on_disconnect(match form.on_disconnect.unwrap_or(Reaction::Cancel) {
        Reaction::Continue => OnDisconnect::Continue,
        Reaction::Cancel => OnDisconnect::Cancel,
    });
    if let Some(cache) = form.cache {
        let Count(keys) = cache.keys;
        if keys == 0 {
            return Err(
                "a cache of no keys has no effect; write keys = 1 or more, or remove cache".to_owned()
            );
        }
        server = server.cache(Cache {
            keys: usize::try_from(keys).unwrap_or(usize::MAX),
            hit: cache.hit.0,
            miss: cache.miss.0,
        });
    }
    server = match (form.report, form.lie) {
        (true, lie) => server.reports(lie.map_or(1.0, |Positive(factor)| factor)),
        (false, None) => server,
        (false, Some(_)) => {
            return Err("lie is for a server that reports; write report = true beside it".to_owned());
        }
    };
    if let Some(pauses) = form.collections {
        if pauses.lasts.0 >= pauses.every.0 {
            return Err(
                "a collection lasts longer than the time between two; write a shorter lasts".to_owned()
            );
        }
        server = server.collections(Collections { every: pauses.every.0, lasts: pauses.lasts.0 });
    }
    if let Some(pattern) = form.pings {
        let answers: Option<Vec<_>> = pattern.chars().map(answer).collect();
        let answers = answers.filter(|answers| !answers.is_empty());
        let answers =
            answers.ok_or(r#"pings has other letters; write S for an answer and F for a failure: "SF""#)?;
        server = server.probes(Probes::Pattern(answers));
    }
    let held = form.held.map_or(0, |held| held.0);
    Ok((count, server.held(held).weight(form.weight.map_or(1, |weight| weight.0))))
}

fn answer(letter: char) -> Option<bool> {
    match letter {
        'S' => Some(true),
        'F' => Some(false),
        _ => None,
    }
}

/// The settings of the balancers in front of so many backends.
fn balancing(form: &BalancerForm, backends: usize) -> Result<Balancing, String> {
    let balancers = form.count.map_or(1, |count| count.0);
    if balancers as usize * backends > MAX_PAIRS {
        return Err(format!(
            "{balancers} balancers with {backends} backends each are too many; write count = {}",
            MAX_PAIRS / backends
        ));
    }
    without_effect(form)?;
    let default = Balancing::default();
    let time = |value: Option<Time>, default: Duration| value.map_or(default, |time| time.0);
    let pings = Pings::default();
    let kind = form.ping.unwrap_or(PingKind::Tcp);
    let checks = form.checks.unwrap_or(true);
    let mut limits = default.limits;
    limits.retries = form.retries.map_or(limits.retries, |retries| retries.0);
    limits.retry_delay = time(form.retry_delay, limits.retry_delay);
    limits.attempts = form.attempts.map_or(limits.attempts, |attempts| attempts.0);
    Ok(Balancing {
        balancers,
        rules: rules(form),
        limits,
        retry_on_errors: form.retry_on_errors.unwrap_or(false),
        response_timeout: form.response_timeout.map(|time| time.0),
        places: form.max_in_flight.map(|Whole(limit)| {
            let default = Places::new(limit);
            Places {
                limit,
                queue: form.queue.map_or(default.queue, |queue| queue.0.unwrap_or(u32::MAX)),
                timeout: time(form.queue_timeout, default.timeout),
            }
        }),
        pings: (checks && kind != PingKind::None).then(|| Pings {
            interval: time(form.ping_interval, pings.interval),
            timeout: time(form.ping_timeout, pings.timeout),
            http: kind == PingKind::Http,
        }),
        looks: checks,
    })
}

/// A setting that changes nothing, because another one is missing, is a mistake.
fn without_effect(form: &BalancerForm) -> Result<(), String> {
    let no_limit = form.max_in_flight.is_none();
    let no_ejection = form.outlier_errors.is_none();
    let no_pings = form.ping == Some(PingKind::None);
    let no_subset = form.subset.is_none();
    for (is_there, key, has_no_effect, instead) in [
        (form.queue.is_some(), "queue", no_limit, "write max_in_flight = 100 beside it"),
        (form.queue_timeout.is_some(), "queue_timeout", no_limit, "write max_in_flight = 100 beside it"),
        (form.ejection_time.is_some(), "ejection_time", no_ejection, "write outlier_errors = 5 beside it"),
        (form.fixed_subsets.is_some(), "fixed_subsets", no_subset, "write subset = 2 beside it"),
        (
            form.load_view_delay.is_some(),
            "load_view_delay",
            !form.teaching,
            "write teaching = true beside it",
        ),
        (form.ping_interval.is_some(), "ping_interval", no_pings, r#"write ping = "tcp" or "http""#),
        (form.ping_timeout.is_some(), "ping_timeout", no_pings, r#"write ping = "tcp" or "http""#),
    ] {
        if is_there && has_no_effect {
            return Err(format!("{key} has no effect here; {instead}, or remove {key}"));
        }
    }
    if form.ping_interval.is_some_and(|time| time.0 < ms(1)) {
        return Err(r#"ping_interval is too short; write at least "1ms""#.to_owned());
    }
    Ok(())
}

fn clients(form: &ClientForm) -> Result<Clients, String> {
    if form.patience.is_some_and(|time| time.0.is_zero()) {
        return Err(
            r#"a client without patience gets no answer; write patience = "1s", or "ever""#.to_owned()
        );
    }
    Ok(Clients {
        patience: form.patience.map(|time| time.0),
        retries: form.retries.map_or(0, |retries| retries.0),
        backoff: Backoff { first: form.backoff.map_or(Duration::ZERO, |time| time.0), jitter: form.jitter },
        budget: budget(form.budget_percent, form.budget_per_second),
        keys: match (form.keys, form.hot_share) {
            (Some(Whole(keys @ 1..)), None) if form.in_turn => Keys::InTurn(u64::from(keys)),
            _ if form.in_turn => {
                return Err("in_turn is for keys without a hot one; write keys = 1000 beside it".to_owned());
            }
            (None, None) => Keys::None,
            (Some(Whole(keys)), None) => Keys::Uniform(u64::from(keys)),
            (Some(Whole(keys @ 2..)), Some(Part(share))) => Keys::Hot { keys: u64::from(keys), share },
            (_, Some(_)) => {
                return Err(
                    "hot_share needs a hot key and others; write keys = 40 beside it, at least 2".to_owned()
                );
            }
        },
        idempotent: form.idempotent.unwrap_or(true),
    })
}

/// A fault of one of so many backends.
fn fault(form: &FaultForm, backends: usize) -> Result<(Duration, Fault), String> {
    use FaultKind::{Cold, Continue, Kill, Latency, Leave, Pings, Slow, Start, Status, Stop};
    let backend = usize::try_from(form.backend.0).unwrap_or(usize::MAX);
    let lasts = form.lasts.map_or(Duration::MAX, |time| time.0);
    if !(1..=backends).contains(&backend) {
        return Err(format!("there is no backend {backend}; write a number from 1 to {backends}"));
    }
    for (key, is_there, kinds) in [
        ("lasts", form.lasts.is_some(), &[Slow, Latency, Status, Pings][..]),
        ("times", form.times.is_some(), &[Slow]),
        ("adds", form.adds.is_some(), &[Latency]),
        ("code", form.code.is_some(), &[Status]),
        ("percent", form.percent.is_some(), &[Latency, Status, Pings]),
        ("takes", form.takes.is_some(), &[Status]),
        ("from", form.from.is_some(), &[Cold]),
        ("over", form.over.is_some(), &[Cold]),
    ] {
        if is_there && !kinds.contains(&form.kind) {
            return Err(format!("{} has no {key}; remove it", word(form.kind)));
        }
    }
    let needs =
        |key: &str, example: &str| format!("{} needs {key}; write {key} = {example}", word(form.kind));
    let percent = form.percent.map_or(100.0, |percent| percent.0);
    let fault = match form.kind {
        Kill => Fault::Kill { backend },
        Leave => Fault::Leave { backend },
        Start => Fault::Start { backend },
        Stop => Fault::Stop { backend },
        Continue => Fault::Continue { backend },
        Slow => {
            let Positive(times) = form.times.ok_or_else(|| needs("times", "10"))?;
            Fault::Slow { backend, times, lasts }
        }
        Latency => {
            let Time(adds) = form.adds.ok_or_else(|| needs("adds", "\"400ms\""))?;
            Fault::Latency { backend, adds, percent, lasts }
        }
        Status => {
            let Whole(code) = form.code.ok_or_else(|| needs("code", "503"))?;
            let code = code as u16;
            Fault::Status { backend, code, percent, takes: form.takes.map(|time| time.0), lasts }
        }
        Cold => {
            let Part(from) = form.from.ok_or_else(|| needs("from", "0.1"))?;
            let Time(over) = form.over.ok_or_else(|| needs("over", "\"10s\""))?;
            Fault::Cold { backend, from, over }
        }
        Pings => Fault::Probes { backend, percent, lasts },
    };
    Ok((form.at.0, fault))
}

/// The name of a kind in the file.
fn word(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Kill => "kill",
        FaultKind::Leave => "leave",
        FaultKind::Start => "start",
        FaultKind::Stop => "stop",
        FaultKind::Continue => "continue",
        FaultKind::Slow => "slow",
        FaultKind::Latency => "latency",
        FaultKind::Status => "status",
        FaultKind::Cold => "cold",
        FaultKind::Pings => "pings",
    }
}
