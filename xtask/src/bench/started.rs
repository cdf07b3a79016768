//! A running proxy, and its measurements.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lab::topology::peers::StartOptions;

use super::backends::{Backends, MIRROR};
use super::contender::Contender;
use super::process::ProcessUnderTest;

/// The time limit until a proxy answers; everything is slow under valgrind.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy that answers, until this value is dropped.
pub(super) struct Started {
    running: ProcessUnderTest,
    port: u16,
    name: String,
}

impl Started {
    /// Starts a proxy for this number of connections, under a tracer with its flags if there is one, and
    /// waits until it answers.
    pub(super) fn start(
        contender: &Contender,
        tracer: &[String],
        backends: &Backends,
        connections: usize,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let name = contender.name().to_owned();
        let port = free_port()?;
        let options = StartOptions { port, backends: backends.ports(), connections, folder };
        let words = [tracer, &contender.command(&options)?].concat();
        // valgrind becomes the program that it runs; strace stays a separate process.
        let traced = tracer.first().is_some_and(|tracer| tracer == "strace");
        let log = folder.join(format!("{name}.log"));
        let mut running = ProcessUnderTest::start(contender.cores(), &words, traced, log)?;
        let deadline = Instant::now() + PATIENCE;
        while get(port, "/").is_err() {
            running.still_runs().with_context(|| format!("{name} does not start"))?;
            ensure!(Instant::now() < deadline, "{name} does not answer on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { running, port, name })
    }

    /// The port of the proxy.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The CPU time of all its processes so far.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.running.cpu_time()
    }

    /// Resident memory of all its processes, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        self.running.memory()
    }

    /// Fails unless the backend gets the forwarding headers that all proxies must set, and the client gets
    /// the expected number of bytes from a path.
    pub(super) fn does_equal_work(&self, path: &str, bytes: usize) -> anyhow::Result<()> {
        let seen = get(self.port, MIRROR)?.to_ascii_lowercase();
        for header in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            ensure!(
                seen.lines().any(|line| line.starts_with(&format!("{header}:"))),
                "{} does less work than the others: no {header} in {seen:?}",
                self.name
            );
        }
        let got = get(self.port, path)?.len();
        ensure!(got == bytes, "{} does less work than the others: {got} bytes from {path}", self.name);
        Ok(())
    }

    /// Asks it to end, and returns the stderr of the proxy and its tracer.
    pub(super) fn finish(self) -> anyhow::Result<String> {
        self.running.finish()
    }
}

/// One GET on a connection of its own; returns the body of the answer if the status is 200.
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

/// A port that is free now. Most proxies do not report the port that they got if they may take any, so
/// another process may take it first; then the start fails with an error.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
