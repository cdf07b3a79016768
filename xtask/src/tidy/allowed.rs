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
            ("launcher", ""),
            ("xtask", "console lab picture api"),
            ("lessons", "console lab sim picture api"),
            ("e2e", "console lab sim balance api"),
            ("lb", "balance api"),
            ("demo-backend", ""),
            // What a person sees of a lab: the model of the events, the page, the terminal, the report.
            ("console", "lab picture api"),
            // The test bench. It has no arrow to `lb` or `demo-backend`: it starts them as processes.
            ("lab", "api"),
            // The simulator. It runs the decisions, reads the stream of events, and knows nothing of the lab.
            ("sim", "balance picture api"),
            // Pictures of numbers.
            ("picture", ""),
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
            ("launcher", ""),
            ("lessons", ""),
            ("xtask", ""),
            ("e2e", ""),
            ("demo-backend", ""),
            ("console", ""),
            // One test of `lb` counts allocations with the client of the lab.
            ("lab", ""),
            ("sim", ""),
            ("picture", ""),
            ("balance", ""),
            ("api", ""),
        ],
        up: &[],
    },
    // SVG pictures.
    Allowed { scope: "picture", rows: &[("lib", "tone"), ("tone", "")], up: &[] },
    // The documents of the admin port.
    Allowed {
        scope: "api",
        rows: &[
            ("command", "excerpt lib"),
            ("stream", "change tick backend explain lib"),
            ("change", "lib"),
            ("tick", "lib"),
            ("explain", "lib"),
            ("state", "backend lib"),
            ("backend", "lib"),
            ("excerpt", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The decisions. They do no I/O and read no clock; `bans.rs` has the words that they must not use.
    Allowed {
        scope: "balance",
        rows: &[
            // What follows from the end of a request, a ping or a question.
            ("evidence", "questions verdict pool backend health state moment"),
            ("questions", "pool backend health state silence moment"),
            ("verdict", "state"),
            ("explain", "pool policy backend member state"),
            // The pool, and one view of it at a time.
            ("pool", "roster change fleet rules policy backend member health state outlier budget moment"),
            ("roster", "fleet rules backend member address moment"),
            ("change", "member address"),
            ("fleet", "rules subset levels policy backend member state moment"),
            ("rules", "subset policy state silence outlier budget"),
            ("subset", "policy"),
            ("levels", ""),
            // Who gets the next request, by which load.
            ("policy", "ranking backend reports member names moment"),
            ("ranking", "backend load"),
            // One backend and what is known about it.
            ("in_flight", "backend"),
            ("waiting", "backend moment"),
            ("backend", "load traffic reports member address health state silence latency moment"),
            ("load", "member latency moment"),
            ("reports", "moment"),
            ("traffic", "silence outlier moment"),
            ("member", "address names"),
            ("address", ""),
            ("health", "state trial moment"),
            ("state", ""),
            // Rules that are functions of numbers and times.
            ("silence", "moment"),
            ("trial", ""),
            ("outlier", ""),
            ("latency", "moment"),
            ("budget", "moment"),
            // Words and time.
            ("lib", ""),
            ("names", ""),
            ("moment", ""),
        ],
        up: &[],
    },
    // The simulator: from a run down to the draws.
    Allowed {
        scope: "sim",
        rows: &[
            // The program.
            ("main", "stream scenario table report"),
            ("draw", "print scenario table report"),
            ("speed", "print settings arrivals server service clock"),
            ("print", ""),
            // The library.
            ("scenario", "settings balancer arrivals client faults server service report clock"),
            ("table", "report"),
            ("stream", "run recording settings faults server station report clock"),
            ("simulate", "run recording settings report"),
            ("run", "recording settings balancer faults report picks station jobs server draws events clock"),
            ("recording", "settings report arrivals client service jobs clock"),
            // The description of a run.
            ("settings", "balancer arrivals client faults server service"),
            ("arrivals", "service draws clock"),
            ("balancer", "server clock"),
            ("client", "draws clock"),
            ("faults", "clock"),
            ("service", "draws clock"),
            // What it counts.
            ("report", "picks gauge clock"),
            ("picks", ""),
            // A server while it runs.
            ("station", "jobs server gauge draws events clock"),
            ("jobs", "clock"),
            ("server", ""),
            ("gauge", "clock"),
            // Random numbers, events and time.
            ("draws", ""),
            ("events", "clock"),
            ("clock", ""),
            ("theory", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The balancer.
    Allowed {
        scope: "lb",
        rows: &[
            // The program and its commands.
            ("main", "cli server control ping log exit"),
            ("cli", "ctl check config exit shown"),
            ("ctl", "admin config proxy exit shown"),
            ("check", "asking ping config"),
            // What surrounds requests.
            ("server", "admin control asking config proxy log pool observe transport clock"),
            // The control thread.
            ("admin", "control config proxy log pool observe clock"),
            ("control", "ping config proxy log resolver pool observe clock"),
            ("asking", "ping config pool clock"),
            ("ping", "config proxy log resolver pool transport clock exit statuses shown"),
            // The settings: the parts below define those that they read.
            ("config", "proxy log statuses shown"),
            // The path of a request.
            ("proxy", "log resolver pool resolved observe transport clock resources"),
            // What every part above needs: log, settings, names, and the pool with the clock of the machine.
            ("log", "observe"),
            ("resolver", "pool resources"),
            ("pool", "resolved observe clock"),
            ("resolved", ""),
            // The records. They use nothing else of the balancer.
            ("observe", ""),
            // The bytes of connections.
            ("transport", ""),
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
            ("mod", "held_answer downstream exchange parts upstream record context request message"),
            ("attempt", "exchange parts upstream record context request message deadline"),
            ("held_answer", "downstream exchange parts upstream record cut"),
            // A client's connection and its answer.
            ("downstream", "parts upstream record request wire http1 message cut"),
            // A request in all its tries, and what a worker has for it.
            ("exchange", "upstream record settings context request message"),
            ("parts", "upstream record settings message deadline"),
            // The connections to the backends.
            ("upstream", "record settings request wire http1 message cut deadline"),
            // What every step writes down, and what it reads.
            ("record", "settings context request message"),
            ("settings", "message"),
            ("context", ""),
            ("request", "wire message cut"),
            // The bytes and the messages.
            ("wire", "http1 message cut"),
            ("http1", "message"),
            ("message", ""),
            ("cut", ""),
            // One clock for all waits.
            ("deadline", ""),
        ],
        up: &[],
    },
    // The request of a client as it comes.
    Allowed {
        scope: "lb::proxy::request",
        rows: &[
            ("body", "replay_buffer stream"),
            ("replay_buffer", ""),
            ("stream", ""),
            ("client", ""),
            ("pace", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The side of the clients.
    Allowed {
        scope: "lb::proxy::downstream",
        rows: &[
            // A client's connection: one request after the other, and the pauses between them.
            ("client", "idle presence steps answer tunnel"),
            ("idle", ""),
            ("presence", ""),
            ("steps", "tunnel"),
            // The answer.
            ("answer", "tunnel"),
            ("tunnel", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The side of the backends.
    Allowed {
        scope: "lb::proxy::upstream",
        rows: &[
            // Connections to a backend, and the limits on them.
            ("connections", "stream connection queue places connect"),
            ("stream", "connection places"),
            ("connection", "apart places"),
            ("queue", "places"),
            ("apart", ""),
            ("places", ""),
            ("connect", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // Messages on their way.
    Allowed {
        scope: "lb::proxy::message",
        rows: &[
            // What the balancer adds, changes and removes.
            ("sticky", "key forwarded head"),
            ("key", "forwarded values head"),
            ("prepare", "forwarded hop via trailers way values head refusal"),
            ("forwarded", "hop way values head"),
            ("hop", "via"),
            ("request_id", "head"),
            ("via", "values head"),
            ("trailers", "way values head"),
            ("way", ""),
            // What a message has.
            ("values", "head"),
            ("head", "target"),
            ("target", "refusal"),
            ("refusal", ""),
            ("fault", ""),
            ("load_report", ""),
            ("date", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The records of one request.
    Allowed {
        scope: "lb::proxy::record",
        rows: &[
            ("request_record", "explained details metrics"),
            ("explained", "details"),
            ("complaint", "details"),
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
            ("agent", "ledger cli link presets fault capacity fields"),
            ("worker", "cli link fault capacity fields"),
            ("ledger", "link"),
            ("cli", "fault capacity"),
            ("link", "fault capacity"),
            // What goes wrong, and who is served: pure.
            ("presets", ""),
            ("fault", "fields"),
            ("capacity", "fields"),
            ("fields", ""),
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
            ("mod", "answer shared places faulty report wire"),
            ("answer", "body identity shared places demand route report headers wire"),
            ("body", "faulty report wire"),
            ("identity", "shared places report headers"),
            // What the requests of a worker share.
            ("shared", "places faulty report"),
            ("places", "demand faulty report headers"),
            ("demand", "route headers"),
            ("route", ""),
            ("faulty", ""),
            ("report", ""),
            ("headers", ""),
            ("wire", ""),
        ],
        up: &[],
    },
    // The capacity: pure, from the state machine down to the settings.
    Allowed {
        scope: "demo-backend::capacity",
        rows: &[
            ("page", "parse"),
            ("station", "meter definition"),
            ("meter", ""),
            ("parse", "definition"),
            ("definition", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The faults: pure, from the draw down to the definition.
    Allowed {
        scope: "demo-backend::fault",
        rows: &[
            ("active", "plan lru definition"),
            // From the table of kinds up to its readers.
            ("page", "kinds"),
            ("parse", "kinds read definition"),
            ("kinds", "read definition"),
            ("read", "definition"),
            ("plan", "latency lru definition"),
            ("latency", "definition"),
            ("lru", ""),
            ("definition", ""),
            ("mod", ""),
        ],
        up: &[],
    },
    // The test bench.
    Allowed {
        scope: "lab",
        rows: &[
            // What must hold for a run.
            ("claims", "load spell"),
            // What happens in a lab.
            ("record", ""),
            ("commands", "stream load client"),
            ("stream", "topology load client binaries eventually lib"),
            // A lab under load.
            ("topology", "load client image binaries eventually resources"),
            ("load", "client spell"),
            // What a request costs.
            ("exchange", ""),
            ("budget", "binaries"),
            // What they stand on.
            ("client", ""),
            ("image", "binaries"),
            ("binaries", ""),
            ("eventually", ""),
            ("resources", ""),
            ("spell", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // What a console shows of a lab.
    Allowed {
        scope: "console",
        rows: &[
            ("main", "web terminal reporter endpoint"),
            ("web", "model endpoint"),
            ("terminal", "glyphs model keys shown health endpoint"),
            ("reporter", "report"),
            ("report", "glyphs model shown counts"),
            ("glyphs", "model health"),
            ("model", "health counts"),
            ("endpoint", ""),
            ("counts", ""),
            ("keys", ""),
            ("shown", ""),
            ("health", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The lessons.
    Allowed {
        scope: "lessons",
        rows: &[
            // The program.
            ("main", "claim"),
            ("run", "ask claim course figures foreign form lesson live print progress show"),
            ("foreign", "claim figures lesson live print"),
            ("selftest", "course form page print selftest_live tables"),
            ("selftest_live", "claim course form law print show"),
            ("draw", "chart course figures form lesson page print show tables"),
            ("show", "figures lesson live print"),
            ("tables", "claim figures form law lesson"),
            ("course", "lesson"),
            ("ask", "answer lesson print"),
            ("page", ""),
            ("progress", "answer"),
            ("print", ""),
            // The library.
            ("lesson", "answer chart claim figures form live"),
            ("chart", "expression figures form law"),
            ("claim", "expression figures form law"),
            ("form", "answer"),
            ("answer", ""),
            ("expression", "figures measure"),
            ("measure", "figures"),
            ("live", "figures"),
            ("figures", ""),
            ("law", ""),
            ("lib", ""),
        ],
        up: &[],
    },
    // The commands of `cargo xtask`.
    Allowed {
        scope: "xtask",
        rows: &[
            ("main", "bench budget console fuzz image soak record replay demo tidy lesson sim pictures"),
            // The commands.
            ("bench", "callgrind table print"),
            ("budget", "callgrind print"),
            ("fuzz", "print"),
            ("image", "print"),
            ("soak", "print"),
            ("console", "demo"),
            ("record", "demo"),
            ("replay", "demo print"),
            ("demo", "table print"),
            ("tidy", "print"),
            ("lesson", "program"),
            ("sim", "program"),
            ("pictures", "print"),
            // What several commands use.
            ("callgrind", ""),
            ("program", ""),
            ("table", ""),
            ("print", ""),
        ],
        up: &[],
    },
];
