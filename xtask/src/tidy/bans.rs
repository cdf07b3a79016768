//! The words that some folders must not contain, with the exceptions and their reasons.

use super::banned::Ban;

/// The code that decides and does nothing else. Time and randomness are its arguments.
const PURE: &[&str] = &[
    "api/src/",
    "balance/src/",
    "console/src/glyphs.rs",
    "console/src/health.rs",
    "console/src/keys.rs",
    "console/src/model/",
    "console/src/report/",
    "console/src/shown.rs",
    "console/src/terminal/columns.rs",
    "console/src/terminal/foot.rs",
    "console/src/terminal/head.rs",
    "console/src/terminal/lanes.rs",
    "console/src/terminal/legend.rs",
    "console/src/terminal/look.rs",
    "console/src/terminal/screen.rs",
    "console/src/terminal/text.rs",
    "console/src/terminal/tone.rs",
    "console/src/terminal/trail.rs",
    "console/src/web/files.rs",
    "console/src/web/guard.rs",
    "picture/src/",
    "sim/src/",
    "lab/src/claims/",
    "lab/src/load/arrivals.rs",
    "lab/src/load/draws.rs",
    "lab/src/load/in_flight.rs",
    "lab/src/load/keys.rs",
    "lab/src/load/rates.rs",
    "lab/src/load/retries.rs",
    "lab/src/load/schedule.rs",
    "lab/src/load/sizes.rs",
    "lab/src/load/summary.rs",
    "lab/src/load/template.rs",
    "lab/src/load/think.rs",
    "lab/src/stream/faults.rs",
    "lab/src/stream/figures.rs",
    "lab/src/stream/merge.rs",
    "lab/src/stream/secret.rs",
    "lb/src/proxy/http1/",
    "lb/src/check/figures.rs",
    "lb/src/admin/guard.rs",
    "lb/src/control/watch.rs",
    "lb/src/log/escape.rs",
    "lb/src/shown.rs",
    "demo-backend/src/fault/mod.rs",
    "demo-backend/src/fault/",
    "demo-backend/src/fields.rs",
    "demo-backend/src/presets.rs",
    "demo-backend/src/capacity/",
];

const EVERYTHING: &[&str] =
    &["api/", "balance/", "picture/", "sim/", "lb/", "demo-backend/", "lab/", "console/", "xtask/", "tests/"];

pub(super) const BANS: &[Ban] = &[
    // Pure core.
    Ban {
        places: PURE,
        except: &[
            ("sim/src/main.rs", "it is the program, and reads a file and prints"),
            ("sim/src/print.rs", "it prints"),
            ("sim/src/draw.rs", "it reads a scenario and writes a picture"),
        ],
        words: "tokio tracing TcpStream TcpListener UdpSocket std::fs fs:: rustix socket2 println! eprintln! stdout stderr",
        instead: "this code decides; return what is to be done, and the caller does it",
        in_tests: false,
    },
    Ban {
        places: PURE,
        except: &[],
        words: "SystemTime Instant::now Moment::now thread::sleep thread::spawn env::var env::var_os",
        instead: "take the time or the value as an argument",
        in_tests: false,
    },
    Ban {
        places: PURE,
        except: &[],
        words: "fastrand::bool fastrand::f64 fastrand::u32 fastrand::u64 fastrand::u128 fastrand::usize fastrand::shuffle Rng::new",
        instead: "take a `fastrand::Rng` as an argument",
        in_tests: false,
    },
    // One transport.
    Ban {
        places: &["lb/src/proxy/"],
        except: &[],
        words: "TcpStream SockRef OwnedReadHalf OwnedWriteHalf rustix::net rustix::event",
        instead: "the request path knows no sockets; call `crate::transport`, or add a method there",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/server/"],
        except: &[],
        words: "SockRef socket2 rustix::net rustix::event",
        instead: "only `crate::transport` calls the kernel about sockets; add a function there",
        in_tests: false,
    },
    // One direction.
    Ban {
        places: &["lb/src/observe/"],
        except: &[],
        words: "balance::",
        instead: "records hold strings and numbers; convert the value before it is recorded",
        in_tests: false,
    },
    // One place.
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/pool.rs", "it publishes each change"),
            ("lb/src/observe/", "it defines the functions that `Pool::publish` calls"),
        ],
        words: "ServerPool state_changed(",
        instead: "only `Pool::publish` changes the state of a backend; call a method of `Pool`",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/observe/mod.rs", "it defines the function"),
            (
                "lb/src/proxy/record/request_record.rs",
                "`RequestRecord::close` is the one place that reports the end of a request",
            ),
        ],
        words: "request_ended(",
        instead: "only `RequestRecord::close` reports the end of a request",
        in_tests: false,
    },
    // No change without a trace.
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/observe/mod.rs", "it defines the function"),
            ("lb/src/control/mod.rs", "it makes the changes"),
            ("lb/src/control/", "it makes the changes"),
        ],
        words: "intervened(",
        instead: "changes at run time happen in `Control`",
        in_tests: false,
    },
    // No request waits for the log.
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/exit.rs", "commands that end have no log"),
            ("lb/src/log/writer.rs", "it is the log thread"),
            ("lb/src/server/mod.rs", "it prints the addresses once, from a thread of its own"),
        ],
        words: "println! print! eprintln! eprint! stdout stderr",
        instead: "write a line with `tracing`; only the log thread may wait for a pipe or a disk",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/proxy/"],
        except: &[
            ("lb/src/proxy/downstream/client.rs", "a lock in front of one rare line of the log"),
            ("lb/src/proxy/upstream/queue.rs", "the queues of all backends, which only a reload changes"),
        ],
        words: "Mutex RwLock",
        instead: "the request path takes no contended lock; keep the value on the worker, or in an atomic",
        in_tests: false,
    },
    // The control thread and the workers wait for no disk and no resolver.
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/config/text.rs", "it reads the configuration file, on a thread of its own"),
            ("lb/src/control/origin.rs", "it looks at the configuration file, on a thread of its own"),
            ("lb/src/log/writer.rs", "it is the log thread"),
        ],
        words: "std::fs tokio::fs",
        instead: "read the file on a thread that nothing waits for, as control/origin.rs does",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[("lb/src/resolver.rs", "it looks up names, on threads of its own")],
        words: "ToSocketAddrs to_socket_addrs lookup_host",
        instead: "ask the `Resolver`: a name server can be silent for seconds",
        in_tests: false,
    },
    Ban {
        places: EVERYTHING,
        except: &[
            ("lb/src/ctl/wait.rs", "`lb ctl` has nothing else to do"),
            ("demo-backend/src/agent/report_reader.rs", "a thread reads from a pipe that can be full"),
            ("xtask/src/budget.rs", "it waits for a process"),
            ("xtask/src/bench/", "the threads of the measurement wait for processes and for given times"),
        ],
        words: "thread::sleep",
        instead: "await `tokio::time::sleep`, or wait for what is expected",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[],
        words: "spawn_blocking process::exit",
        instead: "the end of the process would wait for it, or skip what others have to finish",
        in_tests: false,
    },
    // Each format has one place that reads it.
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/proxy/http1/", "it reads HTTP/1.1 for clients and backends"),
            ("lb/src/ping/anything.rs", "a question accepts an answer that a request must not accept"),
        ],
        words: "httparse",
        instead: "read messages with `proxy::http1`, so that one place decides what is a message",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/admin/", "the admin port may leave HTTP to a library"),
            ("lb/src/ping/", "a ping may leave HTTP to a library"),
            ("lb/src/ctl/", "a client of the admin port may leave HTTP to a library"),
        ],
        words: "hyper hyper_util",
        instead: "the request path speaks HTTP itself: see `proxy::http1`",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[("lb/src/config/", "it reads the file")],
        words: "toml::",
        instead: "a setting comes from `Config`",
        in_tests: false,
    },
    Ban {
        places: &["lb/src/"],
        except: &[
            ("lb/src/config/flags.rs", "it reads the variables that the table of settings names"),
            ("lb/src/ctl/client.rs", "a token must not stand on a command line"),
        ],
        words: "env::var env::var_os",
        instead: "add a line to the table of settings, which gives each setting its variable",
        in_tests: false,
    },
    // A pipe or a file may be closed: that must not be a panic.
    Ban {
        places: &[
            "lb/src/",
            "demo-backend/src/",
            "lab/src/",
            "console/src/",
            "lessons/src/",
            "sim/src/",
            "launcher/src/",
            "xtask/src/",
        ],
        except: &[],
        words: "println! eprintln! print! eprint!",
        instead: "these panic if their reader has gone; use the module `print` of the crate, or `writeln!`",
        in_tests: false,
    },
    // No unsafe code, and no lint that is off without a reason.
    Ban {
        places: EVERYTHING,
        except: &[],
        words: "unsafe",
        instead: "use a crate that is safe",
        in_tests: true,
    },
    Ban {
        places: EVERYTHING,
        except: &[],
        words: "allow(",
        instead: "repair it, or use `#[expect(..., reason = \"...\")]`, which fails when it is no longer needed",
        in_tests: true,
    },
];
