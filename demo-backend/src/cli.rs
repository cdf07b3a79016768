//! What can be asked of `demo-backend` on its command line?

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;
use clap::error::ErrorKind;

/// A control port is its data port plus this, unless told otherwise.
const CONTROL_OFFSET: u16 = 1000;

/// Without `--port`, backend n has this port plus n: 3031 for backend 1.
const PORT_BASE: u16 = 3030;

/// The flags of `demo-backend`.
#[derive(Debug, Parser)]
#[command(
    name = "demo-backend",
    version,
    about = "A backend that answers who it is, and breaks on command",
    long_about = "A backend that answers who it is, and breaks on command.\n\n\
        Two processes: the agent, which this command starts, holds the control port; the worker, which \
        the agent starts, answers HTTP/1.1 on the data port. The agent kills, stops and continues the \
        worker for real (SIGKILL, SIGSTOP, SIGCONT), and it outlives each of its workers, so a crashed \
        backend can still be asked and started again. While the worker is dead its port refuses \
        connections, and nobody else can take it. The worker dies with the agent, whatever ends it.\n\n\
        When the worker serves, one line is printed on standard output:\n  \
        listening on http://127.0.0.1:3031, control on http://127.0.0.1:4031\n\
        Everything else goes to standard error.",
    after_long_help = HELP
)]
pub struct Cli {
    /// The backend's number: it is in every answer, and in the header X-Backend
    #[arg(long, default_value_t = 1, value_name = "N")]
    id: u32,

    /// The data port [default: 3030 + id]; 0 picks a free one, which stays the same over restarts
    #[arg(long)]
    port: Option<u16>,

    /// The address the data port is opened on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    bind: IpAddr,

    /// The control port [default: port + 1000, or a free one if the port is 0]
    #[arg(long, value_name = "PORT")]
    control_port: Option<u16>,

    /// The address the control port is opened on. Whoever reaches it can break this backend
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    control_bind: IpAddr,

    /// Where the faults' dice start: the same seed and the same requests meet the same faults
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    /// Exit at once when standard input ends: whoever starts this holds the other end of a pipe
    #[arg(long)]
    exit_with_parent: bool,

    /// Only GET the URL: exit with 0 if the status is 2xx, else with 1
    #[arg(long, value_name = "URL")]
    check_health: Option<String>,

    /// Be the worker of the agent with this process id; agents pass it, people need not
    #[arg(long, hide = true, value_name = "PID", requires = "port")]
    worker_of: Option<i32>,
}

/// What this process shall be.
#[derive(Debug)]
pub enum Role {
    /// The agent: holds the control port and looks after a worker.
    Agent(AgentConfig),
    /// The worker: holds the data port and answers.
    Worker(WorkerConfig),
    /// Asks this URL once, and exits.
    HealthCheck(String),
}

/// What an agent needs to know.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The backend's number.
    pub id: u32,
    /// Where the worker answers; port 0 stands for any free port.
    pub data: SocketAddr,
    /// Where the agent is commanded; port 0 stands for any free port.
    pub control: SocketAddr,
    /// The first seed of the faults' dice.
    pub seed: u64,
    /// Whether the end of standard input ends the agent.
    pub exit_with_parent: bool,
}

/// What a worker needs to know before it reads its first orders.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The backend's number.
    pub id: u32,
    /// Where to answer; the agent holds this port reserved.
    pub data: SocketAddr,
    /// The agent's process id: the worker must not outlive it.
    pub agent_pid: i32,
}

impl Cli {
    /// What these flags make of the process.
    ///
    /// # Errors
    /// If no port can be derived from the flags; the error names the flag to give.
    pub fn role(self) -> Result<Role, clap::Error> {
        if let Some(url) = self.check_health {
            return Ok(Role::HealthCheck(url));
        }
        let port = match self.port {
            Some(port) => port,
            None => u16::try_from(u32::from(PORT_BASE).saturating_add(self.id))
                .map_err(|_| bad(format!("--id {} leaves no default port; give --port", self.id)))?,
        };
        let data = SocketAddr::new(self.bind, port);
        if let Some(agent_pid) = self.worker_of {
            return Ok(Role::Worker(WorkerConfig { id: self.id, data, agent_pid }));
        }
        let control_port = match self.control_port {
            Some(control_port) => control_port,
            None if port == 0 => 0,
            None => port.checked_add(CONTROL_OFFSET).ok_or_else(|| {
                bad(format!("--port {port} + {CONTROL_OFFSET} is no port for control; give --control-port"))
            })?,
        };
        if port != 0 && port == control_port {
            return Err(bad(format!("--port and --control-port are both {port}; give two different ports")));
        }
        Ok(Role::Agent(AgentConfig {
            id: self.id,
            data,
            control: SocketAddr::new(self.control_bind, control_port),
            seed: self.seed,
            exit_with_parent: self.exit_with_parent,
        }))
    }
}

fn bad(message: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n"))
}

const HELP: &str = "\
What it answers on the data port:
  GET /anything      who answers, which request of this worker, which attempt, and what was asked;
                     as JSON with 'Accept: application/json' or '?format=json'
  POST /echo         the body that was sent
  GET /delay/<ms>    the same as /anything, after up to 60000 milliseconds
  GET /bytes/<n>     n bytes, up to 1073741824
  GET /die           no answer: the connection closes, as when a handler panics
  GET /upgrade       with 'Connection: upgrade' and 'Upgrade: echo': 101, then every byte comes back

What it obeys on the control port (JSON):
  GET /healthz, /state, /counters, /ledger, /faults
  POST /start, /kill, /stop, /continue, /restart     answered once it is true
  POST /drain        finish what is in flight, tell clients so, and end; answered once it has
  POST /faults       add one fault          PUT /faults      replace all of them by an array
  DELETE /faults/1   take back the one with the id 1, which POST answered and GET /faults shows
  DELETE /faults     take back all of them
  POST /seed         {\"seed\": 7}: roll the dice from there
  POST /reset        no faults, first seed, worker running
  DELETE /ledger     forget which requests were executed

Faults are objects: {\"kind\": ..., and any of \"percent\": 30, \"first\": 5, \"for\": \"10s\",
\"match\": {\"path\": \"/exact\" or \"/prefix*\", \"method\": \"GET\"}}. Durations are \"250ms\", \"2s\" or a number
of milliseconds. Kinds, in the order they act:
  refuse                                  the port refuses connections, kept ones are closed
  latency  \"fixed\": \"400ms\" | \"uniform\": [\"10ms\", \"1s\"] | \"exponential\": \"200ms\" (its mean)
           | \"bimodal\": {\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}
  stall    \"at\": \"before\" | \"mid\", \"hold\": \"30s\"    silence, for ever without \"hold\"
  status   \"code\": 503, \"retry_after\": 2
  drip     \"bytes\": 16, \"every\": \"100ms\"            the body in small pieces
  truncate \"bytes\": 100, \"chunked\": false           promises a whole body, closes inside it
  reset    \"at\": \"before\" | \"mid\"                   a TCP reset
  close_early                             closes before the answer
  garbage                                 answers what is not HTTP

Examples:
  demo-backend --id 1
  curl 127.0.0.1:3031/hello
  curl -X POST 127.0.0.1:4031/kill
  curl -X POST 127.0.0.1:4031/start
  curl -X POST 127.0.0.1:4031/faults -d '{\"kind\": \"status\", \"code\": 503, \"percent\": 30, \"for\": \"10s\"}'
  curl -X DELETE 127.0.0.1:4031/faults/1

Exit status: 0 after SIGTERM or SIGINT, 2 if the flags or the ports are no good.
";
