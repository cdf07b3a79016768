//! The events that a page has got, and what follows from them.
//!
//! This is not the model of the console: it calculates the same figures a second time, each from all events.

use serde_json::Value;

/// The period of rates and shares, of percentiles, and of a point of a plot, in microseconds.
pub(super) const SHORT: f64 = 5e6;
pub(super) const LONG: f64 = 30e6;
pub(super) const POINT: f64 = 1e6;

/// The percentiles of a curve, with the least number of answers for each.
pub(super) const PERCENTILES: [(f64, f64); 7] =
    [(50.0, 2.0), (75.0, 4.0), (90.0, 10.0), (95.0, 20.0), (99.0, 100.0), (99.9, 1e3), (99.99, 1e4)];

/// A number of an event.
pub(super) fn at(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)
}

/// A text of an event.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The elements of a list; none if there is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The part of a tick about one backend.
pub(super) fn backend(tick: &Value, number: usize) -> Option<&Value> {
    list(&tick["backends"]).find(|one| one["backend"] == number)
}

/// A sum of a tick.
pub(super) type Sum<'a> = &'a dyn Fn(&Value) -> Option<f64>;

/// Ticks of one source, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Ticks<'a>(pub(super) Vec<&'a Value>);

impl Ticks<'_> {
    /// The newest tick.
    pub(super) fn last(&self) -> &Value {
        self.0.last().copied().unwrap_or(&Value::Null)
    }

    /// The ticks up to this time, with the last one before the period that ends with them.
    fn window(&self, upto: f64, period: f64) -> &[&Value] {
        let end = self.0.iter().rposition(|tick| at(tick, "/t") <= upto).map_or(0, |place| place + 1);
        let newest = self.0[..end].last().map_or(0.0, |tick| at(tick, "/t"));
        let begin = self.0[..end].iter().rposition(|tick| at(tick, "/t") + period <= newest).unwrap_or(0);
        &self.0[begin..end]
    }

    /// The increase of a sum over the period that ends at a time, and the microseconds that it took.
    pub(super) fn increase_upto(&self, upto: f64, period: f64, sum: Sum<'_>) -> (f64, f64) {
        let window = self.window(upto, period);
        let Some((newest, last)) = window.last().and_then(|tick| Some((*tick, sum(tick)?))) else {
            return (0.0, 0.0);
        };
        let first = window.iter().find_map(|tick| Some((at(tick, "/t"), sum(tick)?)));
        let (from, before) = first.unwrap_or((0.0, last));
        ((last - before).max(0.0), at(newest, "/t") - from)
    }

    /// The increase of a sum over the last seconds.
    pub(super) fn increase(&self, sum: Sum<'_>) -> f64 {
        self.increase_upto(f64::INFINITY, SHORT, sum).0
    }

    /// The same each second.
    pub(super) fn rate(&self, sum: Sum<'_>) -> f64 {
        self.rate_upto(f64::INFINITY, SHORT, sum).unwrap_or(0.0)
    }

    /// The rate over a period that ends at a time; `None` before two ticks are known.
    pub(super) fn rate_upto(&self, upto: f64, period: f64, sum: Sum<'_>) -> Option<f64> {
        let (increase, us) = self.increase_upto(upto, period, sum);
        (us > 0.0).then(|| increase / (us / 1e6))
    }

    /// The time between the first and the last tick of the last seconds.
    pub(super) fn covers(&self) -> f64 {
        let window = self.window(f64::INFINITY, SHORT);
        let time = |tick: Option<&&Value>| tick.map_or(0.0, |tick| at(tick, "/t"));
        time(window.last()) - time(window.first())
    }

    /// The latencies of the ticks after one time and up to another: the end of each bucket, and its count.
    pub(super) fn latencies(&self, after: f64, upto: f64, buckets: &dyn Fn(&Value) -> Value) -> Latencies {
        let ticks = self.0.iter().filter(|tick| at(tick, "/t") > after && at(tick, "/t") <= upto);
        let mut all: Vec<(f64, f64)> = ticks
            .flat_map(|tick| {
                list(&buckets(tick)).map(|one| (at(one, "/0"), at(one, "/1"))).collect::<Vec<_>>()
            })
            .collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        Latencies(all)
    }
}

/// Latencies in buckets, in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Vec<(f64, f64)>);

impl Latencies {
    pub(super) fn count(&self) -> f64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The sum of all latencies, each as the end of its bucket.
    pub(super) fn sum(&self) -> f64 {
        self.0.iter().map(|(end, count)| end * count).sum()
    }

    /// The nearest rank.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let rank = (q * self.count()).ceil().max(1.0);
        let mut below = 0.0;
        self.0
            .iter()
            .find(|(_, count)| {
                below += count;
                below >= rank
            })
            .map(|(end, _)| *end)
    }
}

/// All events that a page has got.
#[derive(Debug)]
pub(super) struct Recording {
    events: Vec<Value>,
}

impl Recording {
    pub(super) fn new(events: Vec<Value>) -> Self {
        Self { events }
    }

    /// The events of one kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.events.iter().filter(move |event| event["event"] == kind)
    }

    /// All events, oldest first.
    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.events.iter()
    }

    /// The newest time.
    pub(super) fn now(&self) -> f64 {
        self.events.iter().map(|event| at(event, "/t").max(at(event, "/tick/t"))).fold(0.0, f64::max)
    }

    pub(super) fn ticks(&self) -> Ticks<'_> {
        rising(self.all("tick"))
    }

    /// The ticks of the ghost of a policy since it last began: a simulator that was too slow begins again,
    /// and its sums fall. After 3 s without a tick, nothing of a ghost is kept.
    pub(super) fn ghost(&self, policy: &str) -> Ticks<'_> {
        let (mut ticks, mut now): (Vec<&Value>, f64) = (Vec::new(), 0.0);
        for event in &self.events {
            now = now.max(at(event, "/t")).max(at(event, "/tick/t"));
            if event["event"] != "ghost" {
                continue;
            }
            if ticks.last().is_some_and(|last| at(last, "/t") + 3e6 <= now) {
                ticks.clear();
            }
            let tick = &event["tick"];
            if event["policy"] != policy || ticks.last().is_some_and(|last| at(tick, "/t") <= at(last, "/t"))
            {
                continue;
            }
            if ticks.last().is_some_and(|last| at(tick, "/requests") < at(last, "/requests")) {
                ticks.clear();
            }
            ticks.push(tick);
        }
        Ticks(ticks)
    }

    /// The policy in force, and the time since which it is so.
    pub(super) fn policy(&self) -> (&str, f64) {
        let first = self.all("hello").next().map_or("", |hello| text(hello, "policy"));
        let mut changes = self.all("control").filter(|event| event["change"]["kind"] == "policy");
        changes.next_back().map_or((first, 0.0), |event| (text(&event["change"], "policy"), at(event, "/t")))
    }

    /// The policy of the ghost that was asked for.
    pub(super) fn asked(&self) -> Option<&str> {
        let change = |event: &'_ Value| matches!(event["change"]["kind"].as_str(), Some("ghost" | "reset"));
        self.all("control").rfind(|event| change(event))?["change"]["policy"].as_str()
    }

    /// The last event about a backend that has one of these kinds.
    pub(super) fn last_of(&self, number: usize, kinds: &[&str]) -> Option<&Value> {
        let is_kind = |event: &&Value| kinds.contains(&text(event, "event"));
        self.events.iter().rev().filter(is_kind).find(|event| event["backend"] == number)
    }
}

/// Ticks whose times rise.
fn rising<'a>(ticks: impl Iterator<Item = &'a Value>) -> Ticks<'a> {
    let mut all: Vec<&Value> = Vec::new();
    for tick in ticks {
        if all.last().is_none_or(|last| at(tick, "/t") > at(last, "/t")) {
            all.push(tick);
        }
    }
    Ticks(all)
}
