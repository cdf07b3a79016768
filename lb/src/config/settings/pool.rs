//! Who gets a request, and who is alive.

use balance::member::Mode;
use balance::names;
use balance::policy::Kind;

use super::{BACKEND as NAME, Section, Setting, TIME, TIME_OR_ZERO, count, percent};
use crate::config::form::Form;
use crate::proxy::sticky::{SameSite, Secure};

pub(super) const BALANCE: Section = Section {
    name: "balance",
    repeated: false,
    heading: "Balancing",
    help: "Who gets the next request.",
    settings: &[
        Setting::new(
            "balance.policy",
            "policy",
            Form::Word("POLICY", names::of::<Kind>),
            "How a backend is picked",
        )
        .default("round-robin"),
        Setting::new(
            "balance.hash_by",
            "hash-by",
            Form::Text("KEY"),
            "What makes requests belong together under ring, bounded-ring, maglev and rendezvous: client, path, \
             header:NAME or cookie:NAME",
        )
        .default("client"),
        Setting::new(
            "balance.load_factor",
            "load-factor",
            percent(101, 10_000),
            "How much of its fair share of the requests in flight a backend may have under bounded-ring",
        )
        .default("125%"),
        Setting::new(
            "balance.seed",
            "seed",
            Form::Count { least: 0, most: i64::MAX as u64 },
            "What all draws start from, so that a run can be repeated; by default something new at each start",
        ),
        Setting::new(
            "balance.panic_threshold",
            "panic-threshold",
            percent(0, 100),
            "With fewer than this share of a level's backends up, health is not heeded; 0% for never",
        )
        .default("0%"),
        Setting::new(
            "balance.slow_start",
            "slow-start",
            TIME_OR_ZERO,
            "How long it takes a backend that has come up to get its full share",
        )
        .default("0s"),
        Setting::new(
            "balance.explain",
            "explain",
            Form::Switch,
            "Let clients ask, with the header x-lb-explain: 1, how their request was decided",
        )
        .default("false"),
    ],
};

pub(super) const BACKEND: Section = Section {
    name: NAME,
    repeated: true,
    heading: "",
    help: "A server that requests are shared among.",
    settings: &[
        Setting::new("backend.url", "", Form::Text("URL"), "Where it is: http://host:port")
            .fix("write http://host:port, such as http://localhost:3031"),
        Setting::new(
            "backend.weight",
            "",
            count(0, 1000),
            "Its share compared to the others', for policies that heed weights; 0 gives it no new requests",
        )
        .default("1")
        .fix("write 0 to 1000; 0 gives it no new requests"),
        Setting::new("backend.priority", "", count(0, 9), "The level it belongs to; lower levels come first")
            .default("0")
            .fix("write 0 to 9; lower levels come first"),
        Setting::new(
            "backend.backup",
            "",
            Form::Switch,
            "It gets requests only while no other backend can take them",
        )
        .default("false"),
        Setting::new(
            "backend.max_in_flight",
            "",
            count(1, 1_000_000),
            "Requests it may have in flight at a time; by default backend_limit of [queues]",
        ),
        Setting::new(
            "backend.mode",
            "",
            Form::Word("MODE", names::of::<Mode>),
            "Whether it is wanted: ready for its share, drain to finish what it has and get only what belongs to it \
             by its cookie, maintenance to get nothing and not be pinged",
        )
        .default("ready"),
        Setting::new(
            "backend.every_address",
            "",
            Form::Switch,
            "Its name stands for a backend at each of its addresses, and is looked up again and again",
        )
        .default("false"),
    ],
};

pub(super) const STICKY: Section = Section {
    name: "sticky",
    repeated: false,
    heading: "Balancing",
    help: "Clients that return to the backend they were at.",
    settings: &[
        Setting::new(
            "sticky.cookie",
            "sticky-cookie",
            Form::Text("NAME"),
            "The cookie by which clients return to the backend they were at; without it they do not",
        ),
        Setting::new(
            "sticky.secure",
            "",
            Form::Word("WHEN", names::of::<Secure>),
            "Whether browsers send the cookie over https alone: always, never, or auto for cookies that are given out \
             over https, as a trusted proxy says in X-Forwarded-Proto",
        )
        .default("auto"),
        Setting::new(
            "sticky.same_site",
            "",
            Form::Word("SITES", names::of::<SameSite>),
            "Which sites' requests carry the cookie: lax, strict or none for all, which browsers take with Secure alone",
        )
        .default("lax"),
        Setting::new(
            "sticky.max_age",
            "",
            TIME,
            "How long a browser keeps the cookie, in whole seconds; off for as long as it runs",
        )
        .default("off"),
    ],
};

pub(super) const HEALTH: Section = Section {
    name: "health",
    repeated: false,
    heading: "Health",
    help: "Which backends are alive.",
    settings: &[
        Setting::new(
            "health.ping_interval",
            "ping-interval",
            TIME,
            "Time between two pings of a backend, give or take a tenth",
        )
        .default("1s"),
        Setting::new(
            "health.ping_timeout",
            "ping-timeout",
            TIME,
            "How long a ping may take to connect, and then to be answered",
        )
        .default("500ms"),
        Setting::new(
            "health.ping_path",
            "ping-path",
            Form::Text("PATH"),
            "Ping by a request for this path; without it a ping only connects and closes",
        ),
        Setting::new(
            "health.ping_method",
            "ping-method",
            Form::Word("METHOD", || vec!["GET", "HEAD", "OPTIONS", "POST"]),
            "The method of a ping of a path",
        )
        .default("GET"),
        Setting::new(
            "health.ping_host",
            "ping-host",
            Form::Text("HOST"),
            "What a ping says in Host; by default the backend's own address",
        ),
        Setting::new(
            "health.ping_headers",
            "ping-headers",
            Form::List("HEADERS"),
            "Headers that a ping says besides, such as X-Probe: 1; on the command line separated by commas",
        ),
        Setting::new(
            "health.ping_port",
            "ping-port",
            count(1, 65535),
            "The port that pings connect to; by default the one that requests do",
        ),
        Setting::new(
            "health.ping_status",
            "ping-status",
            Form::Statuses,
            "Statuses of which a ping of a path must get one",
        )
        .default("200"),
        Setting::new(
            "health.ping_body",
            "ping-body",
            Form::Text("TEXT"),
            "What the answer to a ping of a path must contain, in the first 64 KiB of its body",
        ),
        Setting::new("health.rise", "rise", count(1, 1000), "Answered pings in a row that bring a backend up")
            .default("2"),
        Setting::new(
            "health.fall",
            "fall",
            count(1, 1000),
            "Failed checks in a row that take a backend down: pings, and questions that a failed request makes the balancer \
             ask",
        )
        .default("3"),
        Setting::new(
            "health.silence",
            "silence",
            TIME,
            "After half of this time without a word from a backend at which a request waits, the balancer asks the \
             backend. The backend is suspected when it does not answer, its requests have waited at least this long and more than twice as long as its answers \
             usually take, and another backend answers. Choose more than the longest answer of a backend that serves one \
             request at a time",
        )
        .default("500ms"),
        Setting::new(
            "health.silence_waiting",
            "silence-waiting",
            count(1, 1_000_000),
            "Waiting requests with which a backend has half of `silence` to answer the question; with fewer, it has twice \
             `silence`",
        )
        .default("3"),
    ],
};

pub(super) const OUTLIER: Section = Section {
    name: "outlier",
    repeated: false,
    heading: "Health",
    help: "Which backends are there, but answer worse than they should, and are ejected for a while.",
    settings: &[
        Setting::new(
            "outlier.consecutive_errors",
            "outlier-errors",
            count(0, 1_000_000),
            "Answers with status 500 and above in a row that eject a backend for a while; 0 for never",
        )
        .default("0"),
        Setting::new(
            "outlier.success_rate",
            "",
            Form::Switch,
            "Whether a success rate far below the others' ejects a backend",
        )
        .default("false"),
        Setting::new("outlier.interval", "", TIME, "How often success rates are compared").default("10s"),
        Setting::new(
            "outlier.ejection_time",
            "",
            TIME,
            "How long the first ejection lasts; the second, twice that",
        )
        .default("30s"),
        Setting::new("outlier.max_ejection_time", "", TIME, "How long one may last at most").default("5m"),
        Setting::new(
            "outlier.max_ejected",
            "",
            percent(0, 100),
            "How many of the backends may be out at a time; but always one may",
        )
        .default("10%"),
    ],
};
