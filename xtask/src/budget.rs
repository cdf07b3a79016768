//! `cargo xtask budget`: what a small request costs in instructions, compared with what it may cost.
//!
//! The balancer runs behind valgrind twice, for a few requests and for many. The difference is what the requests cost;
//! what starting and ending cost cancels out. What they allocate is counted by a test, `lb/tests/allocations.rs`.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use lab::budget::{self, Cost};
use lab::exchange::{self, Clients};
use lab::image;
use rustix::process::{Pid, Signal, kill_process};

use crate::callgrind;

/// Backends, as in `cargo xtask bench`.
const BACKENDS: usize = 4;

/// Clients, each with a request in flight: so many that the balancer finds more than one event when it wakes up, as
/// it does under load.
const CLIENTS: usize = 16;

/// Requests of each client in the first run; enough that all connections are open and all buffers have grown.
const FEW: usize = 125;

/// Requests of each client in the second run.
const MANY: usize = 1_125;

/// How long the balancer may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Count the instructions of a small request and compare them with lb/budget.toml (needs valgrind).
#[derive(Args)]
pub(crate) struct Budget {}

impl Budget {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            cfg!(target_arch = "x86_64"),
            "the budget is one of instructions of x86-64: count on such a machine"
        );
        let installed = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        let is_installed = installed.is_ok_and(|status| status.success());
        ensure!(is_installed, "valgrind is not installed: apt install valgrind");
        let budget = budget::Budget::load()?;
        // What the images carry, as it is: another build for this alone would take minutes.
        let lb = image::compile()?.join("lb");
        let (few, many) = (count(&lb, FEW)?, count(&lb, MANY)?);
        let each = many.saturating_sub(few) as f64 / ((MANY - FEW) * CLIENTS) as f64;
        println!(
            "{each:.0} instructions per request, and {:.0} in the budget",
            budget.of(Cost::Instructions)
        );
        budget.compare(Cost::Instructions, each)
    }
}

/// The instructions of a balancer from its start to its end, with so many requests of each client between.
fn count(lb: &Path, requests: usize) -> anyhow::Result<u64> {
    let backends = (0..BACKENDS).map(|_| Ok(format!("http://{}", exchange::backend()?)));
    let backends = backends.collect::<anyhow::Result<Vec<_>>>()?.join(",");
    let counted = Counted::start(lb, &backends)?;
    let mut clients = Clients::connect(counted.address, CLIENTS)?;
    if let Err(error) = clients.exchange(requests) {
        return Err(error.context(format!("the balancer says: {}", counted.finish()?.trim())));
    }
    // Connections that are closed are none that the balancer waits for.
    drop(clients);
    let said = counted.finish()?;
    callgrind::instructions(&said).with_context(|| format!("valgrind counted nothing: {}", said.trim()))
}

/// A balancer behind valgrind. It ends when this is dropped, and when this process dies.
struct Counted {
    child: Child,
    address: SocketAddr,
}

impl Counted {
    /// Starts it, and waits until it says that it listens.
    fn start(lb: &Path, backends: &str) -> anyhow::Result<Self> {
        // A profile of a binary without symbols tells nobody anything.
        let mut child = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(lb)
            .arg(format!("--backends={backends}"))
            .args([
                "--bind=127.0.0.1",
                "--port=0",
                "--admin=127.0.0.1:0",
                "--exit-with-parent",
                "--workers=1",
            ])
            // What happens by the clock is no cost of a request.
            .arg("--ping-interval=1h")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run valgrind")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        // It names its admin port as well, but second.
        let Some(address) = line.split(['/', ',']).find_map(|word| word.parse().ok()) else {
            let output = child.wait_with_output()?;
            bail!("the balancer does not start: {}", String::from_utf8_lossy(&output.stderr).trim());
        };
        Ok(Self { child, address })
    }

    /// Asks it to end, and returns what it and valgrind wrote to stderr.
    fn finish(mut self) -> anyhow::Result<String> {
        // Gone already is as good as ended.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the balancer does not end after SIGTERM");
            thread::sleep(Duration::from_millis(5));
        }
        let mut said = String::new();
        self.child.stderr.take().context("no stderr")?.read_to_string(&mut said)?;
        Ok(said)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
