//! Settings of policies, backends and health.

use balance::member::Mode;
use balance::names;
use balance::policy::{Kind, Teaching};

use super::setting::{BACKEND as NAME, Section, Setting, TIME, TIME_OR_ZERO, count, percent};
use crate::config::form::Form;
use crate::proxy::message::sticky::{SameSite, Secure};

pub(super) const BALANCE: Section = Section {
    name: "balance",
    repeated: false,
    heading: "Balancing",
    help: "How a backend is chosen for each request.",
    settings: &[
        Setting::new(
            "balance.policy",
            "policy",
            Form::WordOr("POLICY", names::of::<Kind>, names::of::<Teaching>),
            "How a backend is picked",
        )
        .default("round-robin"),
        Setting::new(
            "balance.hash_by",
            "hash-by",
            Form::Text("KEY"),
            "The key of a request for the policies ring, bounded-ring, maglev, rendezvous, score and affinity: client, path, \
             header:NAME or cookie:NAME",
        )
        .default("client"),
        Setting::new(
            "balance.load_factor",
            "load-factor",
            percent(101, 10_000),
            "Limit for the requests in flight of a backend under bounded-ring, as a percentage of its fair share",
        )
        .default("125%"),
        Setting::new(
            "balance.remembered_keys",
            "remembered-keys",
            Form::Count { least: 1, most: 1_000_000 },
            "Keys that the policies score and affinity remember for each backend: as many as its cache has room for",
        )
        .default("1000"),
        Setting::new(
            "balance.affinity_gap",
            "affinity-gap",
            Form::Count { least: 0, most: 1_000_000 },
            "While the requests in flight of two backends differ by more than this, affinity ignores keys",
        )
        .default("32"),
        Setting::new(
            "balance.seed",
            "seed",
            Form::Count { least: 0, most: i64::MAX as u64 },
            "Seed of all random choices, so that a run can be repeated; by default a new seed at each start",
        ),
        Setting::new(
            "balance.panic_threshold",
            "panic-threshold",
            percent(0, 100),
            "If fewer than this share of a level's backends are up, ignore health and use all of them; 0% for never",
        )
        .default("0%"),
        Setting::new(
            "balance.slow_start",
            "slow-start",
            TIME_OR_ZERO,
            "Time in which a backend that has come up grows to its full share",
        )
        .default("0s"),
        Setting::new(
            "balance.explain",
            "explain",
            Form::Switch,
            "Explain decisions: a client that sends the header x-lb-explain: 1 learns why its request went to its backend",
        )
        .default("false"),
        Setting::new(
            "balance.subset",
            "subset",
            count(0, 1000),
            "Shuffle sharding: requests with the same key use only so many of the backends, chosen by a hash of the key; if all \
             of these are down, the requests fail. 0 for all backends",
        )
        .default("0"),
        Setting::new(
            "balance.teaching",
            "teaching",
            Form::Switch,
            "For lessons only: allow policies that are wrong on purpose, and load_view_delay",
        )
        .default("false"),
        Setting::new(
            "balance.load_view_delay",
            "load-view-delay",
            TIME_OR_ZERO,
            "For lessons only, with teaching: the policy sees the loads as they were at the last refresh, and there is one in each \
             such time; 0s for the present loads",
        )
        .default("0s"),
    ],
};

pub(super) const BACKEND: Section = Section {
    name: NAME,
    repeated: true,
    heading: "",
    help: "A server that gets a share of the requests.",
    settings: &[
        Setting::new("backend.url", "", Form::Text("URL"), "Address of the backend: http://host:port")
            .fix("write http://host:port, such as http://localhost:3031"),
        Setting::new(
            "backend.weight",
            "",
            count(0, 1000),
            "Share of the requests in relation to the other backends, for policies that use weights; 0 means no new requests",
        )
        .default("1")
        .fix("write 0 to 1000; 0 means no new requests"),
        Setting::new("backend.priority", "", count(0, 9), "Level of the backend; lower levels get requests first")
            .default("0")
            .fix("write 0 to 9; lower levels get requests first"),
        Setting::new(
            "backend.backup",
            "",
            Form::Switch,
            "Backup: gets requests only if no other backend can take them",
        )
        .default("false"),
        Setting::new(
            "backend.max_in_flight",
            "",
            count(1, 1_000_000),
            "Limit of requests in flight at this backend; by default backend_limit of [queues]",
        ),
        Setting::new(
            "backend.mode",
            "",
            Form::Word("MODE", names::of::<Mode>),
            "ready: the backend gets its share. drain: it finishes its requests, and gets only new requests whose cookie names \
             it. maintenance: it gets no new requests and no pings",
        )
        .default("ready"),
        Setting::new(
            "backend.every_address",
            "",
            Form::Switch,
            "Use a separate backend for each address of the host name; the name is looked up repeatedly",
        )
        .default("false"),
    ],
};

pub(super) const STICKY: Section = Section {
    name: "sticky",
    repeated: false,
    heading: "Balancing",
    help: "Sticky sessions: clients return to the same backend.",
    settings: &[
        Setting::new(
            "sticky.cookie",
            "sticky-cookie",
            Form::Text("NAME"),
            "Name of the cookie that sends a client back to its backend; without a name, there are no sticky sessions",
        ),
        Setting::new(
            "sticky.secure",
            "",
            Form::Word("WHEN", names::of::<Secure>),
            "When the cookie has the attribute Secure, so that browsers send it over https only: always, never, or auto, which \
             means if a trusted proxy says https in X-Forwarded-Proto",
        )
        .default("auto"),
        Setting::new(
            "sticky.same_site",
            "",
            Form::Word("SITES", names::of::<SameSite>),
            "Attribute SameSite of the cookie: lax, strict, or none; browsers accept none only together with Secure",
        )
        .default("lax"),
        Setting::new(
            "sticky.max_age",
            "",
            TIME,
            "How long a browser keeps the cookie, in whole seconds; off: until the browser ends",
        )
        .default("off"),
    ],
};

pub(super) const HEALTH: Section = Section {
    name: "health",
    repeated: false,
    heading: "Health",
    help: "Health checks: which backends are alive.",
    settings: &[
        Setting::new(
            "health.ping_interval",
            "ping-interval",
            TIME,
            "Time between two pings of a backend, plus or minus a tenth",
        )
        .default("1s"),
        Setting::new(
            "health.ping_timeout",
            "ping-timeout",
            TIME,
            "Time limit of a ping for the connection, and again for the answer",
        )
        .default("500ms"),
        Setting::new(
            "health.ping_path",
            "ping-path",
            Form::Text("PATH"),
            "Path that pings request; without a path, a ping only connects and closes",
        ),
        Setting::new(
            "health.ping_method",
            "ping-method",
            Form::Word("METHOD", || vec!["GET", "HEAD", "OPTIONS", "POST"]),
            "Method of pings with a path",
        )
        .default("GET"),
        Setting::new(
            "health.ping_host",
            "ping-host",
            Form::Text("HOST"),
            "Host header of pings; by default the address of the backend",
        ),
        Setting::new(
            "health.ping_headers",
            "ping-headers",
            Form::List("HEADERS"),
            "More headers of pings, such as X-Probe: 1; on the command line separated by commas",
        ),
        Setting::new(
            "health.ping_port",
            "ping-port",
            count(1, 65535),
            "Port for pings; by default the port for requests",
        ),
        Setting::new(
            "health.ping_status",
            "ping-status",
            Form::Statuses,
            "Statuses that count as a successful answer to a ping with a path",
        )
        .default("200"),
        Setting::new(
            "health.ping_body",
            "ping-body",
            Form::Text("TEXT"),
            "Text that the answer to a ping with a path must contain, in the first 64 KiB of its body",
        ),
        Setting::new("health.rise", "rise", count(1, 1000), "Answered pings in a row that bring a backend up")
            .default("2"),
        Setting::new(
            "health.fall",
            "fall",
            count(1, 1000),
            "Failed checks in a row that take a backend down. Checks are pings, and questions that the balancer asks after a \
             failed request",
        )
        .default("3"),
        Setting::new(
            "health.silence",
            "silence",
            TIME,
            "If a request waits and its backend sends nothing for half of this time, the balancer asks the backend. The backend \
             is suspected if it does not answer, if its requests have waited for this time and for twice the usual time of \
             its answers, and if another backend answers. For a backend that serves one request at a time, choose more than \
             the time of its longest answer",
        )
        .default("500ms"),
        Setting::new(
            "health.silence_waiting",
            "silence-waiting",
            count(1, 1_000_000),
            "With this many waiting requests or more, a backend has half of `silence` to answer the question; with fewer, \
             it has twice `silence`",
        )
        .default("3"),
    ],
};

pub(super) const OUTLIER: Section = Section {
    name: "outlier",
    repeated: false,
    heading: "Health",
    help: "Outlier ejection: backends that answer worse than the others are taken out for some time.",
    settings: &[
        Setting::new(
            "outlier.consecutive_errors",
            "outlier-errors",
            count(0, 1_000_000),
            "Errors in a row (such as answers with status 500 and above) that eject a backend; 0 for never",
        )
        .default("0"),
        Setting::new(
            "outlier.success_rate",
            "",
            Form::Switch,
            "Whether to eject a backend whose success rate is far below that of the others",
        )
        .default("false"),
        Setting::new("outlier.interval", "", TIME, "Time between two comparisons of success rates")
            .default("10s"),
        Setting::new(
            "outlier.ejection_time",
            "",
            TIME,
            "How long the first ejection lasts; the second lasts twice as long, the third three times",
        )
        .default("30s"),
        Setting::new("outlier.max_ejection_time", "", TIME, "Limit for the duration of one ejection")
            .default("5m"),
        Setting::new(
            "outlier.max_ejected",
            "",
            percent(0, 100),
            "Share of all backends that may be ejected at a time; one is always allowed",
        )
        .default("10%"),
    ],
};
