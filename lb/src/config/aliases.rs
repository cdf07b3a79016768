//! Words of other programs: the names of the same settings here, and features that do not exist here.

use super::default_listen::default_listen;

/// What to write instead of some words.
#[derive(Debug)]
pub(crate) struct Alias {
    words: &'static [&'static str],
    /// What to write in the file.
    pub(crate) file: &'static str,
    /// What to write on the command line.
    pub(crate) flag: Instead,
}

/// What to write instead of a flag.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instead {
    /// This flag, with the same value.
    Flag(&'static str),
    /// The address and the port, with a separate flag for each.
    Listen,
    /// Another remedy, in words.
    Words(&'static str),
}

/// How to name a backend in the file.
pub(crate) const BACKEND: &str = "[[backend]] and, below it, url = \"http://host:port\"";

const TLS: &str = "TLS is not supported yet: use a program in front that terminates TLS, such as Caddy, nginx or stunnel, and put its address in trusted_proxies";
const HTTP_2: &str = "only HTTP/1.1 is supported yet: use a program in front that speaks the other protocol, such as Caddy or nginx";
const FOREGROUND: &str = "lb stays in the foreground and does not change its user: remove this setting, and run lb under systemd or in a container";
pub(crate) const LISTEN: &str = concat!("write listen = \"", default_listen!(), "\" above the first section");
const URL: &str = "write [[backend]] and, below it, url = \"http://host:port\"";
const TIMES: &str = "write total, connect or response in [timeouts]";

/// Words of nginx, HAProxy, Envoy, Caddy and Traefik, and other likely words; with `_` for hyphens.
const ALIASES: &[Alias] = &[
    Alias {
        words: &[
            "tls",
            "ssl",
            "https",
            "cert",
            "certs",
            "certificate",
            "certificates",
            "tls_cert",
            "tls_key",
            "cert_file",
            "key_file",
            "ssl_certificate",
            "ssl_certificate_key",
            "ssl_cert",
            "ssl_key",
            "private_key",
            "acme",
            "crt",
            "pem",
        ],
        file: TLS,
        flag: Instead::Words(TLS),
    },
    Alias {
        words: &["http2", "h2", "h2c", "http3", "h3", "quic", "grpc"],
        file: HTTP_2,
        flag: Instead::Words(HTTP_2),
    },
    Alias {
        words: &[
            "backends",
            "upstream",
            "upstreams",
            "servers",
            "target",
            "targets",
            "origin",
            "origins",
            "node",
            "nodes",
            "pool",
            "pools",
            "cluster",
            "clusters",
            "endpoints",
        ],
        file: URL,
        flag: Instead::Flag("backends"),
    },
    Alias {
        words: &["server"],
        file: concat!(
            "write listen = \"",
            default_listen!(),
            "\" above the first section for the address that clients connect to, and [[backend]] for a backend"
        ),
        flag: Instead::Flag("backends"),
    },
    Alias {
        words: &[
            "listen",
            "address",
            "addr",
            "host",
            "ip",
            "interface",
            "listen_address",
            "listen_addr",
            "bind_address",
            "frontend",
            "frontends",
            "http",
            "http_port",
            "listen_port",
            "listener",
            "listeners",
            "entrypoints",
        ],
        file: LISTEN,
        flag: Instead::Listen,
    },
    Alias {
        words: &["algorithm", "strategy", "method", "lb_policy", "scheduler", "balancing"],
        file: "write policy in [balance]",
        flag: Instead::Flag("policy"),
    },
    Alias {
        words: &["threads", "nbthread", "worker_processes", "cores", "concurrency"],
        file: "write workers above the first section",
        flag: Instead::Flag("workers"),
    },
    Alias {
        words: &["maxconn", "max_conn", "max_conns", "connections", "worker_connections"],
        file: "write max_connections above the first section",
        flag: Instead::Flag("max-connections"),
    },
    Alias {
        words: &[
            "health_check",
            "health_checks",
            "healthcheck",
            "health_path",
            "health_url",
            "option_httpchk",
        ],
        file: "write ping_path = \"/healthz\" in [health]",
        flag: Instead::Flag("ping-path"),
    },
    Alias {
        words: &["timeout", "read_timeout", "proxy_read_timeout"],
        file: TIMES,
        flag: Instead::Words("write --total-timeout, --connect-timeout or --response-timeout"),
    },
    Alias {
        words: &["file", "conf", "cfg", "config_file", "configuration"],
        file: "",
        flag: Instead::Flag("config"),
    },
    Alias {
        words: &["verbose", "debug"],
        file: "write level = \"debug\" in [log]",
        flag: Instead::Words("write --log-level debug"),
    },
    Alias {
        words: &["quiet", "silent"],
        file: "write level = \"error\" in [log]",
        flag: Instead::Words("write --log-level error"),
    },
    Alias {
        words: &[
            "daemon",
            "daemonize",
            "background",
            "detach",
            "pid",
            "pidfile",
            "pid_file",
            "user",
            "group",
        ],
        file: FOREGROUND,
        flag: Instead::Words(FOREGROUND),
    },
    Alias {
        words: &["include", "import", "includes"],
        file: "write all of it in one file",
        flag: Instead::Words("write all of it in one file"),
    },
    Alias {
        words: &["token", "admin_token"],
        file: "write admin_token above the first section",
        flag: Instead::Words(
            "every user of this machine can see the command line: write admin_token in the file, or set LB_ADMIN_TOKEN in the environment",
        ),
    },
];

/// Values of other programs, with `-` for underscores, and the value to write instead.
const VALUES: &[(&[&str], &str)] = &[
    (&["leastconn", "least-conn", "least-request", "leastrequest"], "least-connections"),
    (&["roundrobin", "rr", "static-rr"], "round-robin"),
    (&["wrr", "weighted"], "weighted-round-robin"),
    (&["rand"], "random"),
    (&["p2c", "power-of-two", "power-of-two-choices", "random-two", "random-choose-2"], "two-choices"),
    (&["ewma"], "peak-ewma"),
    (&["hash", "ip-hash", "client-ip-hash", "source", "uri", "uri-hash", "ring-hash", "ketama"], "ring"),
    (&["warning"], "warn"),
    (&["err", "fatal", "critical", "crit", "alert", "emerg"], "error"),
    (&["notice", "information"], "info"),
    (&["verbose", "all"], "trace"),
    (&["draining", "drained", "disabled"], "drain"),
    (&["maint", "down"], "maintenance"),
    (&["up", "active", "enabled"], "ready"),
];

/// The value here that means the same as this value of another program.
pub(crate) fn value<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let (_, meant) =
        VALUES.iter().find(|(others, meant)| others.contains(&&*word) && words.contains(meant))?;
    words.iter().copied().find(|word| word == meant)
}

/// The entry for a word, written with `_` for hyphens.
pub(crate) fn find(word: &str) -> Option<&'static Alias> {
    let word = word.to_lowercase();
    ALIASES.iter().find(|alias| alias.words.contains(&&*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_leads_to_one_thing_and_every_flag_exists() {
        let words: Vec<_> = ALIASES.iter().flat_map(|alias| alias.words).collect();
        assert!(
            words.iter().all(|word| words.iter().filter(|other| *other == word).count() == 1),
            "{words:?}"
        );
        let help = <crate::cli::Cli as clap::CommandFactory>::command().render_long_help().to_string();
        for alias in ALIASES {
            if let Instead::Flag(flag) = alias.flag {
                assert!(help.contains(&format!("--{flag}")), "{flag}");
            }
        }
    }
}
