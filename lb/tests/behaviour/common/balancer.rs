//! The balancer as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;

use super::{Answer, Client, Events, PATIENCE, Upstream, eventually, within};

/// A running balancer on free ports of the loopback address. It ends when this value is dropped, or with the
/// process of the test, because its standard input closes then.
pub(crate) struct Lb {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Address that clients connect to.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The line that it printed when it was ready.
    pub(crate) ready: String,
    log: Arc<Mutex<String>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary under test.
pub(crate) fn lb_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lb"))
}

impl Ended {
    /// Runs the balancer with flags that make it exit.
    pub(crate) fn of(flags: &[&str]) -> Self {
        let mut command = lb_command();
        command.args(flags);
        Self::by(command)
    }

    /// The same for any command.
    pub(crate) fn by(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ended =
            within(PATIENCE, &format!("{command:?} ends"), || child.try_wait().unwrap().ok_or("it runs"));
        let read = |pipe: &mut dyn Read| std::io::read_to_string(pipe).unwrap();
        Self {
            code: ended.code(),
            stdout: read(&mut child.stdout.take().unwrap()),
            stderr: read(&mut child.stderr.take().unwrap()),
        }
    }
}

impl Lb {
    /// Starts a balancer in front of `upstreams`, and waits until it is ready.
    pub(crate) fn start(upstreams: &[&Upstream], flags: &[&str]) -> Self {
        let urls: Vec<_> = upstreams.iter().map(|upstream| upstream.url()).collect();
        Self::spawn(lb_command(), &urls, flags)
    }

    /// Starts a balancer with its backends in a file, and waits until it is ready.
    pub(crate) fn configured(file: &Path, flags: &[&str]) -> Self {
        let config = format!("--config={}", file.display());
        Self::spawn(lb_command(), &[], &[&[&*config], flags].concat())
    }

    /// The same in front of any servers, with any command that gets the flags.
    pub(crate) fn spawn(mut command: Command, backends: &[String], flags: &[&str]) -> Self {
        let backends = (!backends.is_empty()).then(|| format!("--backends={}", backends.join(",")));
        command.args(backends).args(["--bind=127.0.0.1", "--port=0"]);
        Self::run(command, flags)
    }

    /// Starts a balancer at the addresses that its file names.
    pub(crate) fn at_its_addresses(file: &Path, flags: &[&str]) -> Self {
        let mut command = lb_command();
        command.arg(format!("--config={}", file.display()));
        Self::run(command, flags)
    }

    /// Starts a balancer with this command, which has the addresses and the backends, and these flags.
    pub(crate) fn run(mut command: Command, flags: &[&str]) -> Self {
        let mut child = command
            .arg("--exit-with-parent")
            .args(flags.iter().all(|flag| !flag.starts_with("--workers")).then_some("--workers=2"))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (lines, sink) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *sink.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let addresses = ready.trim().strip_prefix("listening on http://").and_then(|rest| {
            let (addresses, admin) = rest.split_once(", admin on http://")?;
            let address = addresses.split(", ").next()?;
            Some((address.parse().ok()?, admin.parse().ok()?))
        });
        let stdin = child.stdin.take();
        let Some((address, admin)) = addresses else {
            let _ = child.kill();
            panic!("it does not say where it listens: '{ready}'; log: {}", log.lock().unwrap());
        };
        Self { child, stdin, address, admin, ready, log }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One `GET` over a separate connection.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// One request over a separate connection.
    pub(crate) fn request(&self, line: &str, body: &[u8]) -> Answer {
        self.client().request(line, body)
    }

    pub(crate) fn events(&self) -> Events {
        Events::of(self.admin)
    }

    /// The answer to `GET /state`.
    pub(crate) fn state(&self) -> Value {
        serde_json::from_slice(&Client::connect(self.admin).get("/state").body).unwrap()
    }

    /// The part of the state about the backend with this number.
    pub(crate) fn backend(&self, number: usize) -> Value {
        self.state()["backends"][number - 1].clone()
    }

    /// Memory that its process occupies, in KiB.
    pub(crate) fn resident_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of memory");
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The states of all backends.
    pub(crate) fn states(&self) -> Vec<String> {
        let state = self.state();
        let backends = state["backends"].as_array().unwrap();
        backends.iter().map(|backend| backend["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the backends are in these states.
    pub(crate) fn wait_for_states(&self, states: &[&str]) {
        eventually(&format!("states {states:?}"), || {
            let seen = self.states();
            if seen == states { Ok(()) } else { Err(seen) }
        });
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line in the log that contains these words.
    pub(crate) fn wait_for_log(&self, words: &str) -> String {
        eventually(&format!("'{words}' in the log"), || {
            let log = self.log();
            log.lines().find(|line| line.contains(words)).map(str::to_owned).ok_or(log)
        })
    }

    /// Processor time of the control thread, and of all threads together, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> (u64, u64) {
        let id = self.child.id();
        let of = |path: String| {
            let stat = std::fs::read_to_string(path).unwrap();
            // The 12th and 13th field after the name, which may contain any characters; see proc_pid_stat(5).
            let fields = stat.rsplit(") ").next().unwrap().split(' ');
            fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
        };
        (of(format!("/proc/{id}/task/{id}/stat")), of(format!("/proc/{id}/stat")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The number of its threads.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }

    /// Sets its limit of descriptors to those it has open, or back to the old value.
    pub(crate) fn allow_descriptors(&self, allow: bool) {
        let most = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: if allow { most } else { Some(1) }, maximum: most };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has ended, and returns its exit status.
    pub(crate) fn exit_status(&mut self, deadline: Duration) -> Option<i32> {
        within(deadline, "the balancer ends", || self.child.try_wait().unwrap().ok_or("it runs")).code()
    }
}

impl Drop for Lb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- the balancer's log ----\n{}----", self.log());
        }
    }
}
