//! The contenders: this balancer and those of the other proxies that are installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use lab::binaries::{self, CargoOutput, Profile};
use lab::topology::peers::{
    CADDY, ENVOY, HAPROXY, NGINX, NGINX_UNBUFFERED, OtherBalancer, StartOptions, TRAEFIK,
};

use super::cores::PROXY_CORE;
use super::workload::Workload;
use crate::print::line;

/// The name of this balancer here.
const OWN: &str = "Roundabout";

/// One of the proxies, not yet running.
#[derive(Clone)]
pub(super) struct Contender {
    name: String,
    proxy: Proxy,
    binary: PathBuf,
    cores: &'static str,
}

#[derive(Clone, Copy)]
enum Proxy {
    /// This balancer.
    Own { workers: usize, statistics: &'static str },
    /// A proxy of another project.
    Other(Entrant),
}

/// The part that a proxy of another project has here.
#[derive(Clone, Copy)]
struct Entrant {
    balancer: &'static OtherBalancer,
    /// The only load that it is measured under, if not all.
    only: Option<Workload>,
    /// Whether tracers can run it. Programs in Go have a runtime that does not work with valgrind.
    counted: bool,
}

/// The proxies of other projects, the most common first.
const ENTRANTS: [Entrant; 6] = [
    Entrant { balancer: &NGINX, only: None, counted: true },
    // Only for uploads, this one has another configuration.
    Entrant { balancer: &NGINX_UNBUFFERED, only: Some(Workload::Upload), counted: false },
    Entrant { balancer: &HAPROXY, only: None, counted: true },
    Entrant { balancer: &ENVOY, only: None, counted: false },
    Entrant { balancer: &CADDY, only: None, counted: false },
    Entrant { balancer: &TRAEFIK, only: None, counted: false },
];

impl Contender {
    /// This balancer, freshly built for release, and those of the other proxies that are installed; prints
    /// which are not. With `basic`, also this balancer with basic statistics.
    pub(super) fn all(basic: bool) -> anyhow::Result<Vec<Self>> {
        let own = Self::own(OWN, 1, PROXY_CORE)?;
        let mut all = vec![own.clone()];
        all.extend(basic.then(|| Self {
            name: "basic".to_owned(),
            proxy: Proxy::Own { workers: 1, statistics: "basic" },
            ..own
        }));
        for entrant in ENTRANTS {
            let other = entrant.balancer;
            match other.locate() {
                Some(binary) => {
                    all.push(Self {
                        name: other.name.to_owned(),
                        proxy: Proxy::Other(entrant),
                        binary,
                        cores: PROXY_CORE,
                    });
                }
                None if entrant.only.is_some() => {}
                None => line(format!("{} is not installed and is left out: {}", other.name, other.install))?,
            }
        }
        Ok(all)
    }

    /// This balancer, freshly built for release, and other builds of it, each with the name of its file.
    pub(super) fn builds(others: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let own = Self::own(OWN, 1, PROXY_CORE)?;
        let mut all = vec![own.clone()];
        for binary in others {
            // A plain name would be searched in `PATH`.
            let binary = binary.canonicalize().with_context(|| format!("no file {}", binary.display()))?;
            let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.push(Self { name, binary, ..own.clone() });
        }
        Ok(all)
    }

    /// This balancer with its defaults, except for its workers and cores.
    pub(super) fn own(name: &str, workers: usize, cores: &'static str) -> anyhow::Result<Self> {
        let binary = binaries::build(Profile::Release, CargoOutput::Shown)?.lb;
        let proxy = Proxy::Own { workers, statistics: "full" };
        Ok(Self { name: name.to_owned(), proxy, binary, cores })
    }

    /// Its name, as its project writes it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its cores, in the form for `taskset`.
    pub(super) fn cores(&self) -> &'static str {
        self.cores
    }

    /// Whether it is measured under this load.
    pub(super) fn takes_part(&self, workload: Workload) -> bool {
        match self.proxy {
            Proxy::Own { .. } => true,
            Proxy::Other(entrant) => entrant.only.is_none_or(|only| only == workload),
        }
    }

    /// Whether tracers can run it.
    pub(super) fn is_counted(&self) -> bool {
        match self.proxy {
            Proxy::Own { .. } => true,
            Proxy::Other(entrant) => entrant.counted,
        }
    }

    /// The version that it prints; empty if it prints none.
    pub(super) fn version(&self) -> String {
        let flag = match self.proxy {
            Proxy::Own { .. } => "--version",
            Proxy::Other(entrant) => entrant.balancer.version,
        };
        let Ok(output) = Command::new(&self.binary).arg(flag).output() else { return String::new() };
        // nginx prints it on stderr.
        let said = [output.stdout, output.stderr].concat();
        first_version(&String::from_utf8_lossy(&said)).unwrap_or_default()
    }

    /// The command that runs it in the foreground, after its configuration is written.
    pub(super) fn command(&self, options: &StartOptions<'_>) -> anyhow::Result<Vec<String>> {
        let flags = match self.proxy {
            Proxy::Own { workers, statistics } => own_flags(options, workers, statistics),
            Proxy::Other(entrant) => entrant.balancer.prepare(options)?,
        };
        Ok([vec![self.binary.display().to_string()], flags].concat())
    }
}

/// Default values for all settings that affect the cost of a request.
fn own_flags(options: &StartOptions<'_>, workers: usize, statistics: &str) -> Vec<String> {
    let urls: Vec<String> = options.backends.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let flags = format!(
        "--backends={} --port={} --bind=127.0.0.1 --admin=127.0.0.1:0 --workers={workers} --exit-with-parent \
         --statistics={statistics}",
        urls.join(","),
        options.port,
    );
    flags.split(' ').map(String::from).collect()
}

/// The first word that looks like a version, such as `1.22.1` in `nginx version: nginx/1.22.1`.
fn first_version(said: &str) -> Option<String> {
    said.split([' ', '/', '\n', '-', '+'])
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.contains('.') && word.starts_with(|letter: char| letter.is_ascii_digit()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1\n", Some("1.22.1")),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", Some("2.6.12")),
            ("\nenvoy  version: 9e5580933739/1.40.0/Clean/RELEASE/BoringSSL\n", Some("1.40.0")),
            ("v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=\n", Some("2.11.7")),
            ("Version:      3.7.15\nCodename:     langres\n", Some("3.7.15")),
            ("lb 0.1.0\n", Some("0.1.0")),
            ("no idea\n", None),
        ] {
            assert_eq!(first_version(said).as_deref(), version, "{said}");
        }
    }

    #[test]
    fn the_balancer_is_told_the_port_and_every_backend() {
        let folder = std::path::Path::new("/folder");
        let options = StartOptions { port: 1000, backends: &[2001, 2002], connections: 64, folder };
        let flags = own_flags(&options, 2, "full").join(" ");
        for part in ["--port=1000", "http://127.0.0.1:2001,http://127.0.0.1:2002", "--workers=2"] {
            assert!(flags.contains(part), "{part} is not in {flags}");
        }
    }
}
