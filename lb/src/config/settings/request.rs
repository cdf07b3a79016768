//! Settings of listeners, of the way of requests, and of the log.

use balance::names;

use super::setting::{LISTENER as NAME, Section, Setting, TIME, TIME_OR_ZERO, count, percent};
use crate::config::form::Form;
use crate::log::{Level, LogFormat};
use crate::proxy::settings::Statistics;

pub(super) const TOP: Section = Section {
    name: "",
    repeated: false,
    heading: "",
    help: "An HTTP load balancer, and the backends behind it.",
    settings: &[
        Setting::new("", "port", count(0, 65535), "Port that clients connect to; 0 chooses a free port")
            .default("3030"),
        Setting::new(
            "",
            "bind",
            Form::Text("IP"),
            "Address that clients connect to: 0.0.0.0 for all IPv4 addresses of this machine, :: for all IPv4 and \
             IPv6 addresses, 127.0.0.1 for clients on this machine only",
        )
        .default("0.0.0.0"),
        Setting::new(
            "listen",
            "",
            Form::Text("IP:PORT"),
            "Address and port that clients connect to; port 0 chooses a free port",
        ),
        Setting::new(
            "admin",
            "admin",
            Form::Text("IP:PORT"),
            "Address and port of the admin port, for state, events and changes; by default the loopback address and the port \
             for clients plus 1000",
        ),
        Setting::new(
            "admin_token",
            "",
            Form::Text("TOKEN"),
            "Bearer token that is required for changes at the admin port. Without a token, changes are possible only if the \
             admin port is on the loopback address. The environment variable LB_ADMIN_TOKEN sets it too",
        )
        .secret("LB_ADMIN_TOKEN"),
        Setting::new(
            "name",
            "name",
            Form::Text("NAME"),
            "Name of this balancer in Via and Proxy-Status; by default roundabout- and a random number",
        ),
        Setting::new(
            "via",
            "via",
            Form::Switch,
            "Add the name of this balancer to Via, as HTTP requires of a gateway. By default, nginx as a backend does not \
             compress answers to requests with Via (gzip_proxied). false: send the name in CDN-Loop instead; loops are \
             still detected",
        )
        .default("true"),
        Setting::new(
            "trusted_proxies",
            "trusted-proxies",
            Form::List("NETWORKS"),
            "Trusted proxies in front of the balancer: their X-Forwarded headers are believed. Networks or addresses, on the \
             command line separated by commas",
        ),
        Setting::new(
            "request_id",
            "request-id",
            Form::Switch,
            "Give each request an X-Request-ID for its backend, its client and the access log; an id from a trusted proxy \
             stays. On by default if there is an access log",
        ),
        Setting::new(
            "workers",
            "workers",
            count(1, 1024),
            "Threads that serve requests; by default one per core",
        ),
        Setting::new(
            "max_connections",
            "max-connections",
            count(1, 1_000_000),
            "Limit of open connections of clients; by default as many as the file descriptors allow. Further clients wait \
             until others close their connections",
        ),
        Setting::new("max_body", "max-body", Form::Size, "Limit for the size of a request's body")
            .default("off"),
        Setting::new(
            "abort_on_close",
            "abort-on-close",
            Form::Switch,
            "End a request as soon as its client closes its side of the connection; by default the client still gets \
             its answer, and only a reset ends a request",
        )
        .default("false"),
    ],
};

pub(super) const LISTENER: Section = Section {
    name: NAME,
    repeated: true,
    heading: "",
    help: "An address that clients connect to, if there are several; with one address, listen is enough.",
    settings: &[Setting::new(
        "listener.address",
        "",
        Form::Text("IP:PORT"),
        "Address and port that clients connect to; port 0 chooses a free port",
    )],
};

pub(super) const RETRIES: Section = Section {
    name: "retries",
    repeated: false,
    heading: "Retries",
    help: "What to do with a request whose backend fails.",
    settings: &[
        Setting::new(
            "retries.retries",
            "retries",
            count(0, 100),
            "Retries of the same backend after a request's first try there",
        )
        .default("3"),
        Setting::new("retries.retry_delay", "retry-delay", TIME_OR_ZERO, "Pause before each retry")
            .default("10ms"),
        Setting::new(
            "retries.attempts",
            "attempts",
            count(1, 100),
            "Limit of backends that a request is sent to",
        )
        .default("3"),
        Setting::new(
            "retries.on",
            "retry-on",
            Form::List("STATUSES"),
            "Statuses from 400 to 599, such as 502,503,504, after which the request goes to another backend, if it may be \
             executed twice and its body is held. The client gets the last answer. By default none",
        )
        .fix("write [502, 503, 504], statuses between 400 and 599"),
        Setting::new(
            "retries.replay_limit",
            "replay-limit",
            Form::Size,
            "Limit for the size of a request's body that the balancer holds so that it can send it again",
        )
        .default("64KiB"),
        Setting::new(
            "retries.budget",
            "retry-budget",
            percent(0, 1000),
            "Retry budget: limit of retries of all requests together, as a percentage of the requests of the last ten seconds",
        )
        .default("off"),
        Setting::new(
            "retries.budget_per_second",
            "",
            count(0, 1_000_000),
            "Retries per second that the retry budget allows in addition",
        )
        .default("10"),
    ],
};

pub(super) const HEDGING: Section = Section {
    name: "hedging",
    repeated: false,
    heading: "Retries",
    help: "Send a request to a second backend if the first does not answer in time.",
    settings: &[Setting::new(
        "hedging.after",
        "hedge-after",
        TIME,
        "Time without an answer after which a second backend gets the request too",
    )
    .default("off")],
};

pub(super) const TIMEOUTS: Section = Section {
    name: "timeouts",
    repeated: false,
    heading: "Time limits",
    help: "Time limits.",
    settings: &[
        Setting::new(
            "timeouts.total",
            "total-timeout",
            TIME,
            "Time limit from the arrival of a request to the head of its answer, for all tries together; the time in \
             which the client sends the request's body does not count",
        )
        .default("60s"),
        Setting::new(
            "timeouts.connect",
            "connect-timeout",
            TIME,
            "Time limit to connect to a backend, for all its addresses together. The wait for a free descriptor and \
             the first look-up of a name, which come before, have the same limit each",
        )
        .default("1s"),
        Setting::new(
            "timeouts.response",
            "response-timeout",
            TIME,
            "Time limit from the last byte of a request to the head of its answer",
        )
        .default("30s"),
        Setting::new(
            "timeouts.idle",
            "idle-timeout",
            TIME,
            "How long a client may keep an idle connection open. Choose a longer time than that of a proxy in front of the \
             balancer, which usually is 60s",
        )
        .default("75s"),
        Setting::new(
            "timeouts.backend_idle",
            "backend-idle",
            TIME,
            "How long an idle connection to a backend is kept; a shorter time in the backend's Keep-Alive header is obeyed",
        )
        .default("60s"),
        Setting::new(
            "timeouts.head",
            "head-timeout",
            TIME,
            "Time limit from the first byte of a request to the end of its head",
        )
        .default("10s"),
        Setting::new(
            "timeouts.stall",
            "stall-timeout",
            TIME,
            "How long no byte of a body may move, to a backend or to a client",
        )
        .default("60s"),
        Setting::new(
            "timeouts.min_upload_rate",
            "min-upload-rate",
            Form::Size,
            "Bytes per second that a client must send of a request's body, after the first 5s; only time in which the balancer \
             waits for the client counts",
        )
        .default("off"),
        Setting::new(
            "timeouts.tunnel",
            "tunnel-timeout",
            TIME,
            "How long both sides of a tunnel (such as WebSocket) may send nothing",
        )
        .default("1h"),
        Setting::new(
            "timeouts.lame_duck",
            "lame-duck",
            TIME_OR_ZERO,
            "How long connections are still accepted after SIGTERM or SIGINT, before drain_time begins. During this time, \
             GET /readyz says 503 and answers have Connection: close, so that a load balancer in front can react",
        )
        .default("0s"),
        Setting::new(
            "timeouts.drain",
            "drain-time",
            TIME_OR_ZERO,
            "Time limit for requests in flight after SIGTERM or SIGINT",
        )
        .default("30s"),
        Setting::new(
            "timeouts.drain_idle",
            "drain-idle",
            TIME_OR_ZERO,
            "How long an idle connection stays open during the drain: its client may already have sent a request",
        )
        .default("1s"),
    ],
};

pub(super) const QUEUES: Section = Section {
    name: "queues",
    repeated: false,
    heading: "Queues",
    help: "Limits of backends, and the queues of requests that wait for them.",
    settings: &[
        Setting::new(
            "queues.backend_limit",
            "backend-limit",
            count(1, 1_000_000),
            "Limit of requests in flight at each backend",
        )
        .default("off"),
        Setting::new(
            "queues.queue",
            "queue",
            count(0, 1_000_000),
            "Limit of requests that wait for a backend at its limit; further requests are refused",
        )
        .default("1024"),
        Setting::new(
            "queues.queue_timeout",
            "queue-timeout",
            TIME,
            "How long a request may wait in the queue",
        )
        .default("5s"),
    ],
};

pub(super) const LOG: Section = Section {
    name: "log",
    repeated: false,
    heading: "Logs and statistics",
    help: "Log lines and statistics.",
    settings: &[
        Setting::new(
            "log.file",
            "log-file",
            Form::Text("FILE"),
            "File for log lines, instead of standard error; lines are appended, and SIGUSR1 opens the file again",
        ),
        Setting::new(
            "log.format",
            "log-format",
            Form::Word("FORMAT", names::of::<LogFormat>),
            "Format of log lines; combined means the combined log format of Apache and nginx for the access log, and text for \
             all other lines",
        )
        .default("text"),
        Setting::new(
            "log.level",
            "log-level",
            Form::Word("LEVEL", names::of::<Level>),
            "The lowest level of lines that are written",
        )
        .default("info"),
        Setting::new("log.access_log", "access-log", Form::Switch, "Log one line per request")
            .default("false"),
        Setting::new(
            "log.query",
            "log-query",
            Form::Switch,
            "Show the query of targets in the log, the events and the explanations",
        )
        .default("true"),
        Setting::new(
            "log.statistics",
            "statistics",
            Form::Word("WHAT", names::of::<Statistics>),
            "What GET /metrics counts: everything, or everything except bytes and times",
        )
        .default("full"),
    ],
};
