//! A proxy that runs, and what can be asked of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::backends::{Backends, MIRROR};
use super::contender::Contender;
use super::peers::Task;
use super::process::Running;

/// How long a proxy may take until it answers; under valgrind everything takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that runs and answers, until it is dropped.
pub(super) struct Started {
    running: Running,
    port: u16,
    name: String,
}

impl Started {
    /// Starts a proxy for that many connections, behind a tracer with its flags if there is one, and waits until it
    /// answers.
    pub(super) fn start(
        contender: &Contender,
        tracer: &[String],
        backends: &Backends,
        connections: usize,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let name = contender.name().to_owned();
        let port = free_port()?;
        let task = Task { port, backends: backends.ports(), connections, folder };
        let words = [tracer, &contender.command(&task)?].concat();
        // valgrind becomes the program it runs; strace stays apart from it.
        let traced = tracer.first().is_some_and(|tracer| tracer == "strace");
        let log = folder.join(format!("{name}.log"));
        let mut running = Running::start(contender.cores(), &words, traced, log)?;
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

    /// Fails unless the backend sees the forwarding headers that all of them shall set, and the client gets as many
    /// bytes from a path as it shall.
    pub(super) fn does_equal_work(&self, path: &str, bytes: usize) -> anyhow::Result<()> {
        let seen = get(self.port, MIRROR)?.to_ascii_lowercase();
        for header in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            ensure!(
                seen.lines().any(|line| line.starts_with(&format!("{header}:"))),
                "{} does not do the work of the others: no {header} in {seen:?}",
                self.name
            );
        }
        let got = get(self.port, path)?.len();
        ensure!(got == bytes, "{} does not do the work of the others: {got} bytes from {path}", self.name);
        Ok(())
    }

    /// Asks it to end, and returns what it and its tracer wrote to stderr.
    pub(super) fn finish(self) -> anyhow::Result<String> {
        self.running.finish()
    }
}

/// One GET on a connection of its own; returns the body of the answer if it is a 200.
fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "not a 200: {answer:?}");
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    Ok(body.to_owned())
}

/// A port that is free now. Most proxies do not tell which port they got if they are told to take any, so somebody
/// else may be quicker; then the start fails and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
