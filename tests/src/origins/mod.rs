//! Real servers behind the balancer: Go's net/http, node, WEBrick, Python's `http.server`, uvicorn and
//! gunicorn.
//!
//! The programs are in `tests/origins`, with a description of what they understand. `.ci/origins` installs
//! the servers. If a server is not installed, its tests are ignored with a reason.

mod fleet;
mod process;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use fleet::Fleet;
pub use process::Origin;
pub use watch::{Change, Watch};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Go's net/http: a goroutine for each connection.
    Go,
    /// Node: one thread, many requests at once.
    Node,
    /// WEBrick: a thread for each connection.
    Webrick,
    /// Python's `http.server` with one thread: one request at a time, HTTP/1.0.
    HttpServer,
    /// Uvicorn: one thread, many requests at once, unless the program blocks.
    Uvicorn,
    /// Gunicorn with one sync worker: one request at a time.
    Gunicorn,
}

/// The folders of the servers and the programs.
#[derive(Clone, Debug)]
pub struct Kit {
    installed: PathBuf,
    programs: PathBuf,
}

impl Kit {
    /// The kit in the target folder that contains `tmp`, cargo's folder for tests (`CARGO_TARGET_TMPDIR`).
    pub fn beside(tmp: &str) -> Self {
        let tmp = Path::new(tmp);
        Self {
            installed: tmp.parent().unwrap_or(tmp).join("origins"),
            programs: Path::new(env!("CARGO_MANIFEST_DIR")).join("origins"),
        }
    }

    /// The reason why a server cannot be started, if there is one.
    pub fn missing(&self, kind: Kind) -> Option<String> {
        let command = self.command(kind);
        let program = command.get_program().to_owned();
        let works = match kind {
            Kind::Go => Path::new(&program).is_file(),
            Kind::Node => runs(Command::new(program).arg("--version")),
            Kind::Webrick => runs(Command::new(program).args(["-e", "require 'webrick'"])),
            Kind::HttpServer => runs(Command::new(program).arg("--version")),
            Kind::Uvicorn => runs(Command::new(program).args(["-c", "import uvicorn"])),
            Kind::Gunicorn => runs(Command::new(program).args(["-c", "import gunicorn"])),
        };
        (!works).then(|| format!("{kind:?} is not installed: run .ci/origins"))
    }

    /// The command that starts a server, without its environment.
    fn command(&self, kind: Kind) -> Command {
        let program = |name: &str| self.programs.join(name);
        let python = self.installed.join("venv/bin/python");
        let mut command;
        match kind {
            Kind::Go => command = Command::new(self.installed.join("origin-go")),
            Kind::Node => {
                command = Command::new("node");
                command.arg(program("origin.mjs"));
            }
            Kind::Webrick => {
                command = Command::new("ruby");
                command.arg(program("origin.rb"));
            }
            Kind::HttpServer => {
                command = Command::new(python);
                command.arg(program("single.py"));
            }
            Kind::Uvicorn => {
                command = Command::new(python);
                command.args(["-m", "uvicorn", "asgi:app", "--no-access-log", "--app-dir"]);
                command.arg(&self.programs);
            }
            Kind::Gunicorn => {
                command = Command::new(python);
                command.args(["-m", "gunicorn", "wsgi:app", "--workers=1", "--no-control-socket", "--chdir"]);
                command.arg(&self.programs);
            }
        }
        command
    }

    /// The arguments with the port, for servers that do not read it from the environment.
    fn port_arguments(kind: Kind, port: u16) -> Vec<String> {
        match kind {
            Kind::Uvicorn => vec![format!("--port={port}")],
            Kind::Gunicorn => vec![format!("--bind=127.0.0.1:{port}")],
            Kind::Go | Kind::Node | Kind::Webrick | Kind::HttpServer => Vec::new(),
        }
    }
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
