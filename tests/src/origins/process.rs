//! One server as a process: it can be started, killed, stopped and started again on the same port.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Kind, Kit};

/// The time limit from the start of a server to the line with its address.
const START_TIME: Duration = Duration::from_secs(20);

/// The time limit for the end of a server after SIGTERM.
const END_TIME: Duration = Duration::from_secs(20);

/// The number of its last lines that are kept for errors.
const KEPT_LINES: usize = 30;

/// A server with one of our programs. It ends when this value is dropped.
#[derive(Debug)]
pub struct Origin {
    /// The kind of server.
    pub kind: Kind,
    /// Its number among the backends of the balancer; the first is 1.
    pub number: usize,
    kit: Kit,
    ledger: PathBuf,
    address: SocketAddr,
    running: Mutex<Option<Running>>,
    log: Log,
}

#[derive(Debug)]
struct Running {
    child: Child,
    listens: Receiver<u16>,
}

type Log = Arc<Mutex<VecDeque<String>>>;

impl Origin {
    /// Starts a server on a free port, and returns when it listens.
    ///
    /// # Errors
    /// If it cannot be run, or does not listen in time; has its output.
    pub async fn start(kit: &Kit, kind: Kind, number: usize, ledger: &Path) -> Result<Self> {
        let mut origin = Self {
            kind,
            number,
            kit: kit.clone(),
            ledger: ledger.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            running: Mutex::default(),
            log: Log::default(),
        };
        origin.spawn()?;
        origin.address.set_port(origin.listening().await?);
        Ok(origin)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it at once (SIGKILL), and returns when it is gone.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        let running = self.running().take();
        running.context("it does not run")?.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM), and returns when it is gone.
    ///
    /// # Errors
    /// If it does not run, or does not end in time.
    pub async fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)?;
        lab::eventually(END_TIME, &format!("{} to end", self.name()), async || {
            let mut running = self.running();
            let child = &mut running.as_mut().context("it does not run")?.child;
            child.try_wait()?.context("it still runs")
        })
        .await?;
        self.running().take();
        Ok(())
    }

    /// Stops it (SIGSTOP): the kernel continues to accept connections for it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Continues it after [`Self::stop`] (SIGCONT).
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Starts it again on its previous port, and returns at once, as a service manager does.
    ///
    /// # Errors
    /// If it runs already, or cannot be run.
    pub fn spawn(&self) -> Result<()> {
        let mut running = self.running();
        ensure!(running.is_none(), "{} runs already", self.name());
        let server = self.kit.command(self.kind);
        let port = self.address.port();
        // The kernel ends the server together with the thread that started it, even while it is stopped.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(server.get_program())
            .args(server.get_args())
            .args(Kit::port_arguments(self.kind, port))
            .env("ORIGIN_PORT", port.to_string())
            .env("ORIGIN_NUMBER", self.number.to_string())
            .env("ORIGIN_LEDGER", &self.ledger)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name()))?;
        let (found, listens) = channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let (log, found) = (self.log.clone(), found.clone());
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(port) = port_in(&line) {
                        // Later lines may contain the port again, when there is no receiver.
                        let _ = found.send(port);
                    }
                    note(&log, line);
                }
            });
        }
        *running = Some(Running { child, listens });
        Ok(())
    }

    /// Waits for the line with its address, and returns its port.
    ///
    /// # Errors
    /// If it ends, or does not listen in time; has its output.
    pub async fn listening(&self) -> Result<u16> {
        lab::eventually(START_TIME, &format!("{} to listen", self.name()), async || {
            match self.running().as_ref().context("it does not run")?.listens.try_recv() {
                Ok(port) => Ok(port),
                Err(TryRecvError::Empty) => bail!("it says nothing of it"),
                Err(TryRecvError::Disconnected) => bail!("it has ended"),
            }
        })
        .await
        .map_err(|error| anyhow!("{error:#}\n{}", self.printed()))
    }

    /// Its last output.
    pub fn printed(&self) -> String {
        let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        log.iter().map(|line| format!("  {} | {line}\n", self.name())).collect()
    }

    fn name(&self) -> String {
        format!("{:?} {}", self.kind, self.number)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running();
        let child = &running.as_ref().with_context(|| format!("{} does not run", self.name()))?.child;
        // All of its processes: gunicorn has one that only watches the other.
        kill_process_group(Pid::from_child(child), signal)
            .with_context(|| format!("cannot send {signal:?} to {}", self.name()))
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may be gone already, which is the aim.
        drop(self.kill());
    }
}

/// The port in a line such as `listening on http://127.0.0.1:8000`.
fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.split(|next: char| !next.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn note(log: &Log, line: String) {
    let mut log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if log.len() == KEPT_LINES {
        log.pop_front();
    }
    log.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_line_says_its_port() {
        for (line, port) in [
            ("listening on http://127.0.0.1:3031", Some(3031)),
            ("INFO:     Uvicorn running on http://127.0.0.1:41 (Press CTRL+C to quit)", Some(41)),
            ("[2026-01-01 00:00:00 +0000] [7] [INFO] Listening at: http://127.0.0.1:42 (7)", Some(42)),
            ("Started server process [7]", None),
            ("http://127.0.0.1:", None),
        ] {
            assert_eq!(port_in(line), port, "{line}");
        }
    }
}
