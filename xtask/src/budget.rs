//! `cargo xtask budget`: the cost of a small request in instructions, compared with the budget.
//!
//! The balancer runs under valgrind twice, for a few requests and for many. The difference is the cost of the
//! requests; the cost of the start and the end cancels out. A test counts the allocations,
//! `lb/tests/allocations.rs`.

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
use crate::print::line;

/// Backends, as in `cargo xtask bench`.
const BACKENDS: usize = 4;

/// Clients, each with a request in flight: their number makes the balancer find more than one event when it
/// wakes up, as under load.
const CLIENTS: usize = 16;

/// Requests of each client in the first run; enough to open all connections and to grow all buffers.
const FEW: usize = 125;

/// Requests of each client in the second run.
const MANY: usize = 1_125;

/// The time limit for the end of the balancer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Count the instructions of a small request and compare them with lb/budget.toml (needs valgrind).
#[derive(Args)]
pub(crate) struct CompareBudget {}

impl CompareBudget {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            cfg!(target_arch = "x86_64"),
            "the budget is one of instructions of x86-64: count on such a machine"
        );
        let installed = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        let is_installed = installed.is_ok_and(|status| status.success());
        ensure!(is_installed, "valgrind is not installed: apt install valgrind");
        let budget = budget::Budget::load()?;
        // The same build as for the images: a special build would take minutes.
        let lb = image::compile()?.join("lb");
        let (few, many) = (count(&lb, FEW)?, count(&lb, MANY)?);
        let each = many.saturating_sub(few) as f64 / ((MANY - FEW) * CLIENTS) as f64;
        line(format!(
            "{each:.0} instructions per request, and {:.0} in the budget",
            budget.of(Cost::Instructions)
        ))?;
        budget.compare(Cost::Instructions, each)
    }
}

/// The instructions of a balancer from its start to its end, with this number of requests of each client.
fn count(lb: &Path, requests: usize) -> anyhow::Result<u64> {
    let backends = (0..BACKENDS).map(|_| Ok(format!("http://{}", exchange::backend()?)));
    let backends = backends.collect::<anyhow::Result<Vec<_>>>()?.join(",");
    let counted = Counted::start(lb, &backends)?;
    let mut clients = Clients::connect(counted.address, CLIENTS)?;
    if let Err(error) = clients.exchange(requests) {
        return Err(error.context(format!("the balancer says: {}", counted.finish()?.trim())));
    }
    // The balancer does not wait for closed connections.
    drop(clients);
    let said = counted.finish()?;
    callgrind::instructions(&said).with_context(|| format!("valgrind counted nothing: {}", said.trim()))
}

/// A balancer under valgrind. It ends when this value is dropped, and when this process dies.
struct Counted {
    child: Child,
    address: SocketAddr,
}

impl Counted {
    /// Starts it, and waits for the line with its address.
    fn start(lb: &Path, backends: &str) -> anyhow::Result<Self> {
        // A profile of a binary without symbols is useless.
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
            // Work that a timer starts is not a cost of a request.
            .arg("--ping-interval=1h")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run valgrind")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        // The line contains the admin port as well, as the second address.
        let Some(address) = line.split(['/', ',']).find_map(|word| word.parse().ok()) else {
            let output = child.wait_with_output()?;
            bail!("the balancer does not start: {}", String::from_utf8_lossy(&output.stderr).trim());
        };
        Ok(Self { child, address })
    }

    /// Asks it to end, and returns the stderr of the balancer and valgrind.
    fn finish(mut self) -> anyhow::Result<String> {
        // If the process has ended already, the aim is reached.
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
