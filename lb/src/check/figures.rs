//! What a configuration means in numbers: how soon a failure is found, how often a request is tried, how long
//! it may take. Pure arithmetic on the settings, by the rules of [`balance::health`], [`balance::silence`],
//! [`balance::verdict`] and [`crate::ping`].

use std::time::Duration;

use crate::asking::LOOK;
use crate::config::{Config, is_wanted};
use crate::ping::jittered;

/// The shortest and the longest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The time in the best case.
    pub best: Duration,
    /// The time in the worst case.
    pub worst: Duration,
}

/// The figures of a configuration. Each time counts from the event until all workers act on it. The machine
/// itself takes some milliseconds more, if it is idle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Until a backend that refuses connections is down while requests arrive; counted from the first such
    /// request.
    pub crash_under_load: Span,
    /// The same without requests, so that only pings detect it.
    pub crash_without_traffic: Span,
    /// Until a backend that answers no handshake is down, without requests.
    pub vanished_without_traffic: Span,
    /// Until a backend that accepts connections and sends nothing is suspected; counted from the waiting
    /// request that reaches `silence_waiting`. `None` if there is no other backend to compare with.
    pub stall_under_load: Option<Span>,
    /// The same, counted from the only request that waits there.
    pub stall_at_one_request: Option<Span>,
    /// Until such a backend is down without requests. `None` if pings only connect, because such pings do not
    /// detect it.
    pub stall_without_traffic: Option<Span>,
    /// Until a backend that was started again is up.
    pub recovery: Span,
    /// Limit of backends for one request.
    pub backends_tried: u32,
    /// Limit of tries of one request if no connection can be made. If a kept connection turns out to be
    /// closed, there is one more try, once for each backend.
    pub most_tries: u32,
    /// Until a request has the head of an answer, even if the balancer makes it, without the time in which
    /// its client sends the body.
    pub longest: Duration,
    /// Until a request gets the 503 of the balancer if all backends refuse connections and none is known to
    /// be down.
    pub all_refuse: Duration,
    /// Bytes that the balancer holds of all requests together, to send them again, if the number of clients
    /// is limited.
    pub held: Option<u64>,
}

impl Figures {
    /// The figures of a configuration.
    pub fn of(config: &Config) -> Self {
        let wanted = config.backends.iter().filter(|member| is_wanted(member)).count();
        let backends_tried = config.proxy.attempts.min(u32::try_from(wanted).unwrap_or(u32::MAX)).max(1);
        let (rise, fall) = (config.thresholds.rise, config.thresholds.fall);
        // The first failed ping comes at once or an interval later; each further ping takes another interval.
        // A ping without an answer takes its whole time limit in addition.
        let pings = |n: u32, each: Duration| {
            let (shortest, longest) =
                (jittered(config.ping_interval, 0.0), jittered(config.ping_interval, 1.0));
            Span { best: times(shortest, n - 1) + times(each, n), worst: times(longest, n) + times(each, n) }
        };
        let crash_without_traffic = pings(fall, Duration::ZERO);
        let unanswered = pings(fall, config.ping_timeout);
        // A request that has used up its retries takes the backend down by itself.
        let by_requests =
            times(config.proxy.retry_delay, config.proxy.retries).min(config.proxy.total_timeout);
        let silence = Span { best: config.silence.at_least, worst: config.silence.at_least + LOOK * 2 };
        // Half of the time passes before the question, and four halves before the judgement.
        let of_one = times(config.silence.at_least, 5) / 2;
        let silence_of_one = Span { best: of_one, worst: of_one + LOOK * 2 };
        Self {
            crash_under_load: Span {
                best: by_requests.min(crash_without_traffic.best),
                worst: by_requests.min(crash_without_traffic.worst),
            },
            crash_without_traffic,
            vanished_without_traffic: unanswered,
            stall_under_load: (wanted > 1).then_some(silence),
            stall_at_one_request: (wanted > 1).then_some(silence_of_one),
            stall_without_traffic: config.ping.path.as_ref().map(|_| unanswered),
            recovery: pings(rise, Duration::ZERO),
            backends_tried,
            most_tries: backends_tried.saturating_mul(config.proxy.retries + 1),
            longest: times(longest_to_connect(config), backends_tried)
                .saturating_add(times(config.proxy.response_timeout, RUNS))
                .min(config.proxy.total_timeout),
            all_refuse: times(times(config.proxy.retry_delay, config.proxy.retries), backends_tried)
                .min(config.proxy.total_timeout),
            held: config
                .max_connections
                .map(|clients| (clients as u64).saturating_mul(config.proxy.replay_limit as u64)),
        }
    }
}

/// The longest time in which a request may try to reach one backend: the wait in the queue, the first try and
/// the retries, each of which fails to connect at the last moment.
fn longest_to_connect(config: &Config) -> Duration {
    let queued = config.limit.map_or(Duration::ZERO, |_| config.proxy.queue.timeout);
    [
        times(config.proxy.connect_timeout, config.proxy.retries + 1),
        times(config.proxy.retry_delay, config.proxy.retries),
    ]
    .into_iter()
    .fold(queued, Duration::saturating_add)
}

/// How often one request may run: once, and once more if that is safe.
const RUNS: u32 = 2;

fn times(time: Duration, n: u32) -> Duration {
    time.saturating_mul(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn of(flags: &[&str]) -> Figures {
        Figures::of(&with(flags))
    }

    fn span(best: u64, worst: u64) -> Span {
        Span { best: ms(best), worst: ms(worst) }
    }

    #[test]
    fn a_crash_is_found_by_one_requests_retries_or_by_a_row_of_pings() {
        let usual = of(&[]);
        assert_eq!(usual.crash_under_load, span(30, 30));
        assert_eq!(usual.crash_without_traffic, span(1800, 3300));
        assert_eq!(usual.vanished_without_traffic, span(3300, 4800));
        assert_eq!(of(&["--retries=0"]).crash_under_load, span(0, 0));
        assert_eq!(of(&["--fall=1"]).crash_under_load, span(0, 30), "a ping may come at that very moment");
        assert_eq!(of(&["--retry-delay=10s"]).crash_under_load, span(1800, 3300), "pings are faster");
        let slow = of(&["--ping-interval=1h", "--retry-delay=30s", "--total-timeout=5s"]);
        assert_eq!(slow.crash_under_load, span(5000, 5000), "and so is a request's end");
    }

    #[test]
    fn a_stalled_backend_is_found_by_its_silence_or_by_pings_that_ask() {
        let usual = of(&[]);
        assert_eq!(usual.stall_under_load, Some(span(500, 600)));
        assert_eq!(usual.stall_at_one_request, Some(span(1250, 1350)));
        assert_eq!(usual.stall_without_traffic, None);
        assert_eq!(of(&["--ping-path=/"]).stall_without_traffic, Some(span(3300, 4800)));
        let alone = of(&["--backends=http://a:1"]);
        assert_eq!(alone.stall_under_load, None, "no other backend answers meanwhile");
    }

    #[test]
    fn coming_back_takes_a_row_of_answered_pings() {
        assert_eq!(of(&[]).recovery, span(900, 2200));
        assert_eq!(of(&["--rise=1", "--ping-interval=10s"]).recovery, span(0, 11_000));
    }

    #[test]
    fn a_request_is_tried_so_often_and_for_so_long() {
        let usual = of(&[]);
        assert_eq!((usual.backends_tried, usual.most_tries), (3, 12));
        assert_eq!((usual.longest, usual.all_refuse), (ms(60_000), ms(90)));
        let alone = of(&["--backends=http://a:1", "--retries=1"]);
        assert_eq!((alone.backends_tried, alone.most_tries), (1, 2));
        // At each backend, the request waits in the queue and connects twice. In all, it waits for two
        // answers.
        let quick =
            ["--backend-limit=1", "--queue-timeout=7ms", "--connect-timeout=1s", "--response-timeout=2s"];
        let quick = of(&[&quick[..], &["--retries=1", "--attempts=2"]].concat());
        assert_eq!(quick.longest, 2 * ms(7 + 1000 + 10 + 1000) + 2 * ms(2000));
    }

    #[test]
    fn what_is_held_is_bounded_by_the_clients_that_there_may_be() {
        assert_eq!(of(&[]).held, None);
        assert_eq!(of(&["--max-connections=1000"]).held, Some(65_536_000));
    }

    #[test]
    fn the_largest_settings_overflow_nothing() {
        let large = ["--retries=100", "--attempts=100", "--rise=1000", "--fall=1000", "--ping-interval=365d"];
        let times =
            ["--ping-timeout=365d", "--retry-delay=365d", "--response-timeout=365d", "--total-timeout=365d"];
        let held = ["--max-connections=1000000", "--replay-limit=10000PiB"];
        assert_eq!(of(&[&large[..], &times, &held].concat()).held, Some(u64::MAX));
    }
}
