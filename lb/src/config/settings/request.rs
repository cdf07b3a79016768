//! Where requests come in, how they travel, and what is said of them.

use balance::names;

use super::{Section, Setting, TIME, TIME_OR_ZERO, count, percent};
use crate::config::LogFormat;
use crate::config::form::Form;
use crate::log::Level;
use crate::proxy::books::Statistics;

pub(super) const TOP: Section = Section {
    name: "",
    repeated: false,
    heading: "",
    help: "An HTTP load balancer, and the backends behind it.",
    settings: &[
        Setting::new("", "port", count(0, 65535), "Port that clients connect to; 0 takes a free one")
            .default("3030"),
        Setting::new(
            "",
            "bind",
            Form::Text("IP"),
            "Address that clients connect to: 0.0.0.0 is every IPv4 address of this machine, :: every one of both kinds, \
             127.0.0.1 this machine alone",
        )
        .default("0.0.0.0"),
        Setting::new(
            "listen",
            "",
            Form::Text("IP:PORT"),
            "Where clients connect; the port 0 takes a free one",
        ),
        Setting::new(
            "admin",
            "admin",
            Form::Text("IP:PORT"),
            "Where state and events can be seen; by default the loopback address at the port plus 1000",
        ),
        Setting::new(
            "admin_token",
            "",
            Form::Text("TOKEN"),
            "What whoever changes anything at the admin port has to know; without it, nobody may who could ask from \
             another machine. The environment variable LB_ADMIN_TOKEN says it as well",
        )
        .secret("LB_ADMIN_TOKEN"),
        Setting::new(
            "name",
            "name",
            Form::Text("NAME"),
            "What it calls itself in Via and Proxy-Status; by default roundabout- and a number drawn at its start",
        ),
        Setting::new(
            "via",
            "via",
            Form::Switch,
            "Add its name to Via, as a gateway should. An nginx behind it does not compress answers to requests with Via \
             (gzip_proxied); false sends the name in CDN-Loop instead, and requests that come back are still refused",
        )
        .default("true"),
        Setting::new(
            "trusted_proxies",
            "trusted-proxies",
            Form::List("NETWORKS"),
            "Proxies in front of it that may say, in X-Forwarded headers, where they got a request from: networks \
             or addresses, on the command line separated by commas",
        ),
        Setting::new(
            "request_id",
            "request-id",
            Form::Switch,
            "Give each request an X-Request-ID, which its backend, its client and the access log see; one that a \
             trusted proxy has given stays. By default, if there is an access log",
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
            "Connections that clients may have open at a time; by default as many as there are descriptors for. \
             More have to wait until others are closed",
        ),
        Setting::new("max_body", "max-body", Form::Size, "Bytes that a request's body may have")
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

pub(super) const RETRIES: Section = Section {
    name: "retries",
    repeated: false,
    heading: "Retries",
    help: "What becomes of a request whose backend fails.",
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
            "Backends that a request may be given to",
        )
        .default("3"),
        Setting::new(
            "retries.on",
            "retry-on",
            Form::List("STATUSES"),
            "Statuses, of 400 to 599, for which another backend is asked if the request may be executed twice and its body \
             is held, such as 502,503,504; the last answer is passed on. By default none",
        )
        .fix("write [502, 503, 504], statuses between 400 and 599"),
        Setting::new(
            "retries.replay_limit",
            "replay-limit",
            Form::Size,
            "Bytes of a request's body that are held so that it can be sent again",
        )
        .default("64KiB"),
        Setting::new(
            "retries.budget",
            "retry-budget",
            percent(0, 1000),
            "Retries that all requests together may have, as a share of the requests of the last ten seconds",
        )
        .default("off"),
        Setting::new(
            "retries.budget_per_second",
            "",
            count(0, 1_000_000),
            "Retries per second that they may have besides",
        )
        .default("10"),
    ],
};

pub(super) const HEDGING: Section = Section {
    name: "hedging",
    repeated: false,
    heading: "Retries",
    help: "Asking a second backend while the first has not answered.",
    settings: &[Setting::new(
        "hedging.after",
        "hedge-after",
        TIME,
        "After how long without an answer a second backend is asked as well",
    )
    .default("off")],
};

pub(super) const TIMEOUTS: Section = Section {
    name: "timeouts",
    repeated: false,
    heading: "Time limits",
    help: "How long anything may take.",
    settings: &[
        Setting::new(
            "timeouts.total",
            "total-timeout",
            TIME,
            "From a request's arrival to the head of its answer, all tries included; the time that the client \
             takes to send the request's body does not count",
        )
        .default("60s"),
        Setting::new("timeouts.connect", "connect-timeout", TIME, "To connect to a backend").default("1s"),
        Setting::new(
            "timeouts.response",
            "response-timeout",
            TIME,
            "From a request's last byte to the head of its answer",
        )
        .default("30s"),
        Setting::new(
            "timeouts.idle",
            "idle-timeout",
            TIME,
            "How long a client may keep its connection open without a request; longer than the proxy in front of it \
             keeps one, which for most is 60s",
        )
        .default("75s"),
        Setting::new(
            "timeouts.backend_idle",
            "backend-idle",
            TIME,
            "How long a connection to a backend is kept without a request; less long if the backend says so in \
             Keep-Alive",
        )
        .default("60s"),
        Setting::new(
            "timeouts.head",
            "head-timeout",
            TIME,
            "From the first byte of a request to the end of its head",
        )
        .default("10s"),
        Setting::new(
            "timeouts.stall",
            "stall-timeout",
            TIME,
            "How long a body may come to a halt, on its way to a backend or to a client",
        )
        .default("60s"),
        Setting::new(
            "timeouts.min_upload_rate",
            "min-upload-rate",
            Form::Size,
            "Bytes of a request's body that its client must send per second, after 5s for the beginning; only the time \
             counts in which the client is waited for",
        )
        .default("off"),
        Setting::new(
            "timeouts.tunnel",
            "tunnel-timeout",
            TIME,
            "How long both sides may be silent after a switch of protocols, such as to WebSocket",
        )
        .default("1h"),
        Setting::new(
            "timeouts.lame_duck",
            "lame-duck",
            TIME_OR_ZERO,
            "How long connections are still accepted after SIGTERM or SIGINT while GET /readyz says 503 and answers \
             carry Connection: close, before drain_time begins; for a load balancer in front that has to notice",
        )
        .default("0s"),
        Setting::new(
            "timeouts.drain",
            "drain-time",
            TIME_OR_ZERO,
            "How long requests in flight may take to finish after SIGTERM or SIGINT",
        )
        .default("30s"),
        Setting::new(
            "timeouts.drain_idle",
            "drain-idle",
            TIME_OR_ZERO,
            "How long a connection without a request stays open then: a request may be on its way that its client \
             could not know to be unwelcome",
        )
        .default("1s"),
    ],
};

pub(super) const QUEUES: Section = Section {
    name: "queues",
    repeated: false,
    heading: "Queues",
    help: "What happens when a backend has enough to do.",
    settings: &[
        Setting::new(
            "queues.backend_limit",
            "backend-limit",
            count(1, 1_000_000),
            "Requests that a backend may have in flight at a time",
        )
        .default("off"),
        Setting::new(
            "queues.queue",
            "queue",
            count(0, 1_000_000),
            "Requests that may wait for a backend that has its limit in flight; more are refused",
        )
        .default("1024"),
        Setting::new("queues.queue_timeout", "queue-timeout", TIME, "How long each of them may wait")
            .default("5s"),
    ],
};

pub(super) const LOG: Section = Section {
    name: "log",
    repeated: false,
    heading: "Logs and statistics",
    help: "What is logged and where, and what is counted.",
    settings: &[
        Setting::new(
            "log.file",
            "log-file",
            Form::Text("FILE"),
            "File that log lines are appended to, instead of standard error; it is opened anew after SIGUSR1",
        ),
        Setting::new(
            "log.format",
            "log-format",
            Form::Word("FORMAT", names::of::<LogFormat>),
            "How log lines are written; combined is the format of Apache and nginx for the access log, and text for \
             everything else",
        )
        .default("text"),
        Setting::new(
            "log.level",
            "log-level",
            Form::Word("LEVEL", names::of::<Level>),
            "The least important lines that are written",
        )
        .default("info"),
        Setting::new("log.access_log", "access-log", Form::Switch, "Log one line per request")
            .default("false"),
        Setting::new(
            "log.query",
            "log-query",
            Form::Switch,
            "Show the query of a target wherever targets are shown: in the log, the events and the explanations",
        )
        .default("true"),
        Setting::new(
            "log.statistics",
            "statistics",
            Form::Word("WHAT", names::of::<Statistics>),
            "What is counted for GET /metrics: everything, or all but bytes and times",
        )
        .default("full"),
    ],
};
