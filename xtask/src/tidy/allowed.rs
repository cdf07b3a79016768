//! The map of the architecture: which part uses which parts.
//!
//! Each table has the parts of one scope, from top to bottom. A part uses only the parts in its row, and they
//! stand in later rows. So imports run one way. The arrows that do not are listed under `up`, with the
//! reason. Each of them closes a cycle. This list can only get shorter: a new arrow in it needs a better
//! reason than a move of the item to a lower part.
//!
//! A part is a crate, or a module with all modules below it. Tests may use everything.

use super::arrows::Allowed;

pub(super) const TABLES: &[Allowed] = &[
    // The crates of the workspace, from `[dependencies]`.
    Allowed {
        scope: "crates",
        rows: &[
            // The crates that nothing below uses: programs and tests.
            ("xtask", "lab"),
            ("e2e", "lab"),
            ("lb", "balance api"),
            ("demo-backend", ""),
            // The test bench. It has no arrow to `lb` or `demo-backend`: it starts them as processes.
            ("lab", "api"),
            // The decisions, and the documents that the balancer and its readers share.
            ("balance", ""),
            ("api", ""),
        ],
        up: &[],
    },
    // The crates of the workspace, from `[dev-dependencies]`.
    Allowed {
        scope: "crates, in tests",
        rows: &[
            ("lb", "lab"),
            ("xtask", ""),
            ("e2e", ""),
            ("demo-backend", ""),
            // One test of `lb` counts allocations with the client of the lab.
            ("lab", ""),
            ("balance", ""),
            ("api", ""),
        ],
        up: &[],
    },
    // The documents of the admin port.
    Allowed {
        scope: "api",
        rows: &[
            ("command", "lib"),
            ("event", "lib"),
            ("state", "backend lib"),
            ("backend", "lib"),
            ("lib", ""),
        ],
        up: &[],
    },
    // The decisions. They do no I/O and read no clock; `bans.rs` has the words that they must not use.
    Allowed {
        scope: "balance",
        rows: &[
            // What follows from the end of a request, a ping or a question.
            ("evidence", "verdict questions pool backend health moment"),
            ("verdict", "questions"),
            ("questions", "pool backend health silence moment"),
            ("explain", "pool policy member backend health"),
            // The pool, and one view of it at a time.
            ("pool", "roster change fleet rules policy member backend health outlier budget moment"),
            ("roster", "fleet member backend moment"),
            ("change", "member backend"),
            ("fleet", "rules levels policy member backend health moment"),
            ("rules", "policy health silence outlier budget"),
            ("levels", ""),
            // Who gets the next request, by which load.
            ("policy", "ranking backend names moment"),
            ("load", "ranking member backend latency moment"),
            ("ranking", "backend"),
            // One backend and what is known about it.
            ("traffic", "backend health silence outlier latency moment"),
            ("member", "backend names"),
            ("backend", "health moment"),
            ("health", "moment"),
            // Rules that are functions of numbers and times.
            ("silence", "moment"),
            ("outlier", ""),
            ("latency", "moment"),
            ("budget", "moment"),
            // Words and time.
            ("lib", ""),
            ("names", ""),
            ("moment", ""),
        ],
        up: &[
            (
                "backend",
                "load",
                "a backend has its load, and load.rs has the methods of a backend that change it",
            ),
            (
                "backend",
                "traffic",
                "a backend has its traffic, and traffic.rs has the methods of a backend that change it",
            ),
            (
                "backend",
                "member",
                "a backend has its description, and the description has the address, which backend.rs defines",
            ),
        ],
    },
    // The balancer.
    Allowed {
        scope: "lb",
        rows: &[
            // The program and its commands.
            ("main", "cli server control ping log exit"),
            ("cli", "ctl check config shown exit"),
            ("ctl", "admin proxy config shown exit"),
            ("check", "asking ping config"),
            // What surrounds requests.
            ("server", "admin control asking proxy log config pool observe clock"),
            // The control thread.
            ("admin", "control proxy log config pool observe clock"),
            ("control", "ping log config proxy resolver pool observe clock"),
            ("asking", "ping config pool clock"),
            ("ping", "proxy log config resolver pool statuses shown clock"),
            // The settings: the parts below define those that they read.
            ("config", "proxy log statuses shown"),
            // The path of a request.
            ("proxy", "log resolver pool resolved resources observe clock"),
            // What every part above needs: log, settings, names, and the pool with the clock of the machine.
            ("log", "observe"),
            ("resolver", "pool resources"),
            ("pool", "resolved observe clock"),
            ("resolved", ""),
            // The records. They use nothing else of the balancer.
            ("observe", ""),
            // Tools without a state.
            ("clock", ""),
            ("resources", ""),
            ("exit", ""),
            ("statuses", ""),
            ("shown", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The path of a request.
    Allowed {
        scope: "lb::proxy",
        rows: &[
            // The path of one request, from top to bottom: `mod` is proxy/mod.rs.
            ("mod", "elsewhere downstream upstream record settings context message deadline"),
            ("elsewhere", "downstream upstream record context"),
            // The two sides.
            ("downstream", "upstream record wire message http1"),
            ("upstream", "record settings wire message http1 deadline"),
            // What every step writes down, and what it reads.
            ("record", "settings context message"),
            ("settings", "message"),
            ("context", ""),
            // The bytes and the messages.
            ("wire", "http1"),
            ("message", "http1"),
            ("http1", ""),
            // One clock for all waits.
            ("deadline", ""),
        ],
        up: &[
            ("elsewhere", "mod", "a request that moves to another backend takes the path again"),
            (
                "downstream",
                "mod",
                "a client's connection gives each request to the path, and an answer keeps the proxy to its end",
            ),
            ("upstream", "mod", "an attempt is a method of the proxy"),
            ("upstream", "downstream", "a try sends the body of the client and keeps to its pace"),
            ("record", "downstream", "the record names the client and adds headers to its answer"),
            ("message", "record", "the line about a malformed answer shows the request as the record does"),
            ("wire", "downstream", "the error of a body that breaks off has the type `Cut`"),
            ("http1", "message", "a head has the headers, the target and the refusal of a message"),
        ],
    },
    // The side of the clients.
    Allowed {
        scope: "lb::proxy::downstream",
        rows: &[
            // A client's connection: one request after the other, and the pauses between them.
            ("client", "idle presence peer answer tunnel body"),
            ("idle", ""),
            ("presence", ""),
            ("peer", ""),
            // The answer.
            ("answer", "tunnel cut pace"),
            ("tunnel", ""),
            // The body of a request.
            ("body", "held cut"),
            ("held", ""),
            // Values.
            ("cut", ""),
            ("pace", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The side of the backends.
    Allowed {
        scope: "lb::proxy::upstream",
        rows: &[
            // One try after the other.
            ("attempt", "connections queue connection"),
            // Connections to a backend, and the limits on them.
            ("connections", "queue connection places connect"),
            ("queue", "places"),
            ("connection", "apart places"),
            ("apart", ""),
            ("places", ""),
            ("connect", ""),
            ("mod", ""),
        ],
        up: &[("places", "connections", "a free place can come from an idle connection of this worker")],
    },
    // Messages on their way.
    Allowed {
        scope: "lb::proxy::message",
        rows: &[
            // What the balancer reports.
            ("complaint", "target"),
            // What it adds, changes and removes.
            ("sticky", "key forwarded head"),
            ("key", "forwarded head"),
            ("forwarded", "prepare way head"),
            ("prepare", "via way head refusal"),
            ("request_id", "head"),
            ("via", "head"),
            ("way", ""),
            // What a message has.
            ("head", "target"),
            ("target", "refusal"),
            ("refusal", ""),
            ("date", ""),
            ("mod", ""),
        ],
        up: &[("prepare", "forwarded", "the preparation writes these headers, which take its type `Hop`")],
    },
    // The records of one request.
    Allowed {
        scope: "lb::proxy::record",
        rows: &[
            ("request_record", "explained details metrics"),
            ("explained", "details"),
            ("details", ""),
            ("metrics", ""),
            ("causes", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The backend that breaks on command.
    Allowed {
        scope: "demo-backend",
        rows: &[
            ("main", "health_check agent worker cli"),
            ("health_check", ""),
            // Two processes, and what they say to each other.
            ("agent", "ledger cli fault link"),
            ("worker", "cli fault link"),
            ("ledger", "link"),
            ("cli", ""),
            ("fault", ""),
            ("link", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The agent's commands, from the control port down to the process.
    Allowed {
        scope: "demo-backend::agent",
        rows: &[
            ("mod", "control supervisor port"),
            ("control", "supervisor registry"),
            ("supervisor", "process registry report_reader"),
            ("process", "report_reader"),
            ("registry", ""),
            ("report_reader", ""),
            ("port", ""),
        ],
        up: &[],
    },
    // The worker's path of a request.
    Allowed {
        scope: "demo-backend::worker",
        rows: &[
            ("mod", "answer shared report wire"),
            ("answer", "body identity route shared report wire"),
            ("body", "shared report wire"),
            ("identity", "shared report"),
            ("route", ""),
            // What the requests of a worker share.
            ("shared", "report"),
            ("report", ""),
            ("wire", ""),
        ],
        up: &[],
    },
    // The faults: pure, from the draw down to the definition.
    Allowed {
        scope: "demo-backend::fault",
        rows: &[
            ("active", "plan definition"),
            ("parse", "definition"),
            ("plan", "definition"),
            ("definition", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The test bench.
    Allowed {
        scope: "lab",
        rows: &[
            // A lab under load.
            ("topology", "load client image binaries eventually memory"),
            ("load", "client"),
            // What a request costs.
            ("exchange", ""),
            ("budget", "binaries"),
            // What they stand on.
            ("client", ""),
            ("image", "binaries"),
            ("binaries", ""),
            ("eventually", ""),
            ("memory", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The commands of `cargo xtask`.
    Allowed {
        scope: "xtask",
        rows: &[
            ("main", "bench budget fuzz image soak demo tidy pictures"),
            // The commands.
            ("bench", "pictures callgrind"),
            ("budget", "callgrind"),
            ("fuzz", ""),
            ("image", ""),
            ("soak", "demo verdict"),
            ("demo", "verdict"),
            ("tidy", ""),
            // What several commands use. Two of them are commands too.
            ("pictures", ""),
            ("callgrind", ""),
            ("verdict", ""),
        ],
        up: &[],
    },
];
