//! The proxies that are compared, each told to do the same work.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, ensure};
use lab::binaries::{self, Profile, Progress};
use rustix::process::geteuid;

use super::PROXY_CORE;
use super::backends::{Backends, MIRROR};
use super::process::{self, Running};

/// How long a proxy may take until it answers; under valgrind everything takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of the proxies, not yet running.
pub(super) struct Contender {
    kind: Kind,
    binary: PathBuf,
}

#[derive(Clone, Copy)]
enum Kind {
    /// This balancer, with one worker.
    Roundabout,
    /// The same, counting no more than it must.
    Basic,
    /// A master process and one worker process.
    Nginx,
    /// One thread.
    Haproxy,
}

impl Contender {
    /// This balancer, freshly built for release, and whichever of the others is installed; says which are not. With
    /// `basic`, this balancer with basic statistics is among them.
    pub(super) fn all(basic: bool) -> anyhow::Result<Vec<Self>> {
        let built = binaries::build(Profile::Release, Progress::Shown)?;
        let mut all = vec![Self { kind: Kind::Roundabout, binary: built.lb.clone() }];
        all.extend(basic.then_some(Self { kind: Kind::Basic, binary: built.lb }));
        for (kind, program) in [(Kind::Nginx, "nginx"), (Kind::Haproxy, "haproxy")] {
            match process::locate(program) {
                Some(binary) => all.push(Self { kind, binary }),
                None => println!("{program} is not installed and stays out: apt install {program}"),
            }
        }
        Ok(all)
    }

    /// Its name, as its makers spell it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Roundabout => "Roundabout",
            Kind::Basic => "basic",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "HAProxy",
        }
    }

    /// Its version, as it says itself; empty if it does not.
    pub(super) fn version(&self) -> String {
        let flag = match self.kind {
            Kind::Roundabout | Kind::Basic => "--version",
            Kind::Nginx | Kind::Haproxy => "-v",
        };
        let Ok(output) = Command::new(&self.binary).arg(flag).output() else { return String::new() };
        // nginx says it on stderr.
        let said = [output.stdout, output.stderr].concat();
        first_version(&String::from_utf8_lossy(&said)).unwrap_or_default()
    }

    /// The command that runs it in the foreground on that port, once its configuration is written.
    fn command(&self, port: u16, backends: &[u16], folder: &Path) -> anyhow::Result<Vec<String>> {
        let config = folder.join(format!("{}.conf", self.name()));
        if let Some(text) = self.config(port, backends, folder) {
            fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        }
        let (folder, config) = (folder.display(), config.display());
        let flags = match self.kind {
            Kind::Roundabout | Kind::Basic => {
                let statistics = if let Kind::Basic = self.kind { "basic" } else { "full" };
                let urls: Vec<String> =
                    backends.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
                format!(
                    "--backends={} --port={port} --bind=127.0.0.1 --admin=127.0.0.1:0 --workers=1 --exit-with-parent \
                     --statistics={statistics}",
                    urls.join(",")
                )
            }
            Kind::Nginx => format!("-e stderr -p {folder} -c {config}"),
            Kind::Haproxy => format!("-db -f {config}"),
        };
        let words = flags.split(' ').map(String::from);
        Ok([self.binary.display().to_string()].into_iter().chain(words).collect())
    }

    /// What goes into its configuration file, if it has one.
    fn config(&self, port: u16, backends: &[u16], folder: &Path) -> Option<String> {
        let (template, server) = match self.kind {
            Kind::Roundabout | Kind::Basic => return None,
            Kind::Nginx => (include_str!("nginx.conf"), "server 127.0.0.1:@;\n"),
            Kind::Haproxy => (include_str!("haproxy.cfg"), "server b@ 127.0.0.1:@ check inter 1s\n"),
        };
        let servers: String = backends.iter().map(|port| server.replace('@', &port.to_string())).collect();
        // A worker that root starts would become somebody who may not write into our folder, as callgrind must.
        let user = if geteuid().is_root() { "user root root;" } else { "" };
        Some(
            template
                .replace("@PORT@", &port.to_string())
                .replace("@SERVERS@", servers.trim_end())
                .replace("@FOLDER@", &folder.display().to_string())
                .replace("@USER@", user),
        )
    }
}

/// A proxy that runs and answers, until it is dropped.
pub(super) struct Started {
    running: Running,
    port: u16,
    name: &'static str,
}

impl Started {
    /// Starts a proxy, behind a tracer with its flags if there is one, and waits until it answers.
    pub(super) fn start(
        contender: &Contender,
        tracer: &[String],
        backends: &Backends,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let name = contender.name();
        let port = free_port()?;
        let words = [tracer, &contender.command(port, backends.ports(), folder)?].concat();
        // valgrind becomes the program it runs; strace stays apart from it.
        let traced = tracer.first().is_some_and(|tracer| tracer == "strace");
        let log = folder.join(format!("{name}.log"));
        let mut running = Running::start(PROXY_CORE, &words, traced, log)?;
        let deadline = Instant::now() + PATIENCE;
        while get(port, "/").is_err() {
            running.still_runs().with_context(|| format!("{name} does not start"))?;
            ensure!(Instant::now() < deadline, "{name} does not answer on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { running, port, name })
    }

    /// The port that it listens on.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// CPU time it has used so far, all its processes together.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.running.cpu_time()
    }

    /// Resident memory of all its processes, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        self.running.memory()
    }

    /// Fails unless the backend sees the forwarding headers that all of them shall set.
    pub(super) fn does_equal_work(&self) -> anyhow::Result<()> {
        let answer = get(self.port, MIRROR)?.to_ascii_lowercase();
        let (_, seen) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        for header in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            ensure!(
                seen.lines().any(|line| line.starts_with(&format!("{header}:"))),
                "{} does not do the work of the others: no {header} in {seen:?}",
                self.name
            );
        }
        Ok(())
    }

    /// Asks it to end, and returns what it and its tracer wrote to stderr.
    pub(super) fn finish(self) -> anyhow::Result<String> {
        self.running.finish()
    }
}

/// One GET on a connection of its own; returns the whole answer if it is a 200.
fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "not a 200: {answer:?}");
    Ok(answer)
}

/// A port that is free now. nginx and HAProxy do not tell which port they got if they are told to take any,
/// so somebody else may be quicker; then the start fails and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The first word that looks like a version, such as `1.22.1` in `nginx version: nginx/1.22.1`.
fn first_version(said: &str) -> Option<String> {
    said.split([' ', '/', '\n', '-', '+'])
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
            ("lb 0.1.0\n", Some("0.1.0")),
            ("no idea\n", None),
        ] {
            assert_eq!(first_version(said).as_deref(), version, "{said}");
        }
    }

    #[test]
    fn configurations_name_the_port_and_every_backend() {
        for kind in [Kind::Nginx, Kind::Haproxy] {
            let contender = Contender { kind, binary: PathBuf::new() };
            let config = contender.config(1000, &[2001, 2002], Path::new("/folder")).unwrap();
            for part in ["127.0.0.1:1000", "127.0.0.1:2001", "127.0.0.1:2002"] {
                assert!(config.contains(part), "{part} is not in {config}");
            }
            assert!(!config.contains('@'), "something was not filled in: {config}");
        }
    }
}
