//! The command line of `demo-backend`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::error::ErrorKind;
use clap::{Args, Parser};
use serde_json::{Map, Number, Value};

use crate::capacity::Capacity;

/// The default control port is the data port plus this number.
const CONTROL_OFFSET: u16 = 1000;

/// Without `--port`, the port of backend n is this number plus n: 3031 for backend 1.
const PORT_BASE: u16 = 3030;

/// The flags of `demo-backend`.
#[derive(Debug, Parser)]
#[command(
    name = "demo-backend",
    version,
    about = "A demo backend that names itself in its answers, and fails on command",
    long_about = "A demo backend that names itself in its answers, and fails on command.\n\n\
        It has two processes. This command starts the agent, which holds the control port. The agent \
        starts the worker, which answers HTTP/1.1 on the data port. The agent kills, stops and continues \
        the worker with real signals (SIGKILL, SIGSTOP, SIGCONT). The agent outlives its workers, so it can \
        still answer and start a new worker after a crash. While there is no worker, the data port refuses \
        connections, and no other program can take it. The worker always ends with the agent.\n\n\
        When the worker serves, one line is printed on standard output:\n  \
        listening on http://127.0.0.1:3031, control on http://127.0.0.1:4031\n\
        Everything else goes to standard error.",
    after_long_help = help()
)]
pub struct Cli {
    /// The backend's number: it is in every answer, and in the header X-Backend
    #[arg(long, default_value_t = 1, value_name = "N")]
    id: u32,

    /// The data port [default: 3030 + id]; 0 picks a free one, which stays the same over restarts
    #[arg(long)]
    port: Option<u16>,

    /// Address of the data port
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    bind: IpAddr,

    /// The control port [default: port + 1000, or a free one if the port is 0]
    #[arg(long, value_name = "PORT")]
    control_port: Option<u16>,

    /// Address of the control port. Every client that can reach it can break this backend
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    control_bind: IpAddr,

    /// Seed of the random faults: the same seed and the same requests give the same faults
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    #[command(flatten)]
    capacity: CapacityFlags,

    /// Exit at once when standard input closes, for a parent process that holds the other end of a pipe
    #[arg(long)]
    exit_with_parent: bool,

    /// Only request the URL with GET: exit with 0 if the status is 2xx, otherwise with 1
    #[arg(long, value_name = "URL")]
    check_health: Option<String>,

    /// Be the worker of the agent with this process id; only agents use this flag
    #[arg(long, hide = true, value_name = "PID", requires = "port")]
    worker_of: Option<i32>,
}

/// The capacity, a flag for each field of [`Capacity`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Capacity (also: PUT /capacity on the control port)")]
struct CapacityFlags {
    /// Requests that are served at a time [default: unlimited]
    #[arg(long, value_name = "N")]
    workers: Option<String>,

    /// Requests that may wait; a further one gets 503 at once [default: unbounded]
    #[arg(long, value_name = "N")]
    queue: Option<String>,

    /// The order of service: fifo, lifo, drop_expired or drop_hopeless [default: fifo]
    #[arg(long, value_name = "WORD")]
    discipline: Option<String>,

    /// A new request gets 503 while this many wait [default: never]
    #[arg(long, value_name = "N")]
    shed: Option<String>,

    /// A request whose client has gone: continue, or cancel [default: cancel]
    #[arg(long, value_name = "WORD")]
    on_disconnect: Option<String>,

    /// The deadline of a request without the header x-lab-deadline-ms [default: unlimited]
    #[arg(long, value_name = "TIME")]
    patience: Option<String>,

    /// The work of a request that does not say its own [default: 0]
    #[arg(long, value_name = "TIME")]
    work: Option<String>,

    /// The speed in percent: the service time is the work divided by it [default: 100]
    #[arg(long, value_name = "PERCENT")]
    speed: Option<String>,
}

impl CapacityFlags {
    /// Reads the flags as the fields of `PUT /capacity`. An error names the flag.
    fn read(self) -> Result<Capacity, clap::Error> {
        let fields = [
            ("workers", self.workers),
            ("queue", self.queue),
            ("discipline", self.discipline),
            ("shed", self.shed),
            ("on_disconnect", self.on_disconnect),
            ("patience", self.patience),
            ("work", self.work),
            ("speed", self.speed),
        ];
        let mut all = Map::new();
        for (name, text) in fields {
            let Some(text) = text else { continue };
            // A number stands for itself, and everything else is a word or a duration.
            let value = serde_json::from_str::<Number>(&text).map_or(Value::String(text), Value::Number);
            let one = Map::from_iter([(name.to_owned(), value)]);
            Capacity::parse(&one).map_err(|error| bad(format!("--{}", flag(&error.to_string(), name))))?;
            all.extend(one);
        }
        Capacity::parse(&all).map_err(|error| bad(error.to_string()))
    }
}

/// An error about a field as an error about its flag.
fn flag(error: &str, field: &str) -> String {
    error.replacen(field, &field.replace('_', "-"), 1)
}

/// The role of this process.
#[derive(Debug)]
pub enum Role {
    /// The agent: holds the control port and manages a worker.
    Agent(AgentConfig),
    /// The worker: holds the data port and answers.
    Worker(WorkerConfig),
    /// Requests this URL once, and exits.
    HealthCheck(String),
}

/// The configuration of an agent.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The backend's number.
    pub id: u32,
    /// The address of the worker; port 0 stands for any free port.
    pub data: SocketAddr,
    /// The address for commands; port 0 stands for any free port.
    pub control: SocketAddr,
    /// The first seed of the random faults.
    pub seed: u64,
    /// The first capacity of the server.
    pub capacity: Capacity,
    /// Whether the agent ends when standard input closes.
    pub exit_with_parent: bool,
}

/// The configuration of a worker, before its first orders.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The backend's number.
    pub id: u32,
    /// The address for requests; the agent has this port reserved.
    pub data: SocketAddr,
    /// The agent's process id: the worker must not outlive it.
    pub agent_pid: i32,
}

impl Cli {
    /// The role of the process according to these flags.
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
            capacity: self.capacity.read()?,
            exit_with_parent: self.exit_with_parent,
        }))
    }
}

fn bad(message: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n"))
}

/// What follows the flags in the help.
fn help() -> String {
    [PATHS, &crate::fault::help(), EXAMPLES].concat()
}

const PATHS: &str = "\
What it answers on the data port:
  GET /anything      the number of the backend, of the request and of the attempt, and the request;
                     as JSON with 'Accept: application/json' or '?format=json'
  POST /echo         the body that was sent
  GET /delay/<ms>    the same as /anything, after up to 60000 milliseconds
  GET /busy/<us>     the same, after up to 60000000 microseconds of work at the speed of the server
  GET /bytes/<n>     n bytes, up to 1073741824
  GET /die           no answer: the connection closes, as when a handler panics
  GET /upgrade       with 'Connection: upgrade' and 'Upgrade: echo': 101, then every byte comes back
Headers of a request:
  X-Lab-Work         the work of the request in microseconds, for any path
  X-Lab-Deadline-Ms  the time from the arrival to the deadline of the request
Headers of an answer:
  X-Lab-Queue-Us     the time in the queue
  X-Lab-Service-Us   the time of service
  X-Lab-In-Flight    requests in flight on arrival, including this one
  X-Lab-Faults       ids of the faults that hit it, or \"none\"
  X-Lab-Refused      why it was not served: full, shed, expired or hopeless

Commands on the control port (JSON):
  GET /healthz, /state, /counters, /ledger, /capacity, /faults, /kinds, /presets
  POST /start, /kill, /stop, /continue, /restart     answered when the command has taken effect
  POST /term         send SIGTERM to the worker; the fault exit_on_term says how it reacts
  POST /drain        finish requests in flight with Connection: close, and end; answered after the end
  PUT /capacity      {\"workers\": 3, \"queue\": 20}: fields that are missing have their defaults
  POST /faults       add one fault          PUT /faults      replace all faults by an array
  PATCH /faults/1    change some fields of the fault with the id 1; null removes a field
  DELETE /faults/1   remove the fault with the id 1 (POST returns the id, GET /faults shows it)
  DELETE /faults     remove all faults
  POST /seed         {\"seed\": 7}: restart the random faults with this seed
  POST /reset        no faults, first seed, first capacity, worker running
  DELETE /ledger     forget which requests were executed

Faults are objects with flat fields: {\"kind\": \"status\", \"code\": 503, \"percent\": 30, \"for\": \"10s\"}.
Durations are \"250ms\", \"2s\" or a number of milliseconds. Kinds, in the order in which they act:
";

const EXAMPLES: &str = "
Examples:
  demo-backend --id 1
  curl 127.0.0.1:3031/hello
  curl -X POST 127.0.0.1:4031/kill
  curl -X POST 127.0.0.1:4031/start
  curl -X POST 127.0.0.1:4031/faults -d '{\"kind\": \"status\", \"code\": 503, \"percent\": 30, \"for\": \"10s\"}'
  curl -X DELETE 127.0.0.1:4031/faults/1

Exit status: 0 after SIGTERM or SIGINT, 2 if a flag is wrong or a port cannot be used.
";
