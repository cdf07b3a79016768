//! A lab in containers, and their removal even if this process is killed.
//!
//! A shell, the keeper, owns the containers: it starts them, waits for its stdin to close, and removes them.
//! This process holds the other end of that pipe, and the kernel closes it however this process ends. The
//! keeper is in a process group of its own and ignores signals, so that Ctrl-C and a closing terminal do not
//! end it. And because the keeper itself starts the containers, none can appear after it has cleaned up.

use std::io::{Read, Write, stderr};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use crate::binaries::workspace;

/// The services of `docker-compose.yml` that make a lab. The file also has a console, which sends a load of
/// its own; a lab does without it.
const SERVICES: [&str; 5] = ["lb", "backend1", "backend2", "backend3", "backend4"];

/// The number of backends among them.
pub(super) const BACKENDS: usize = SERVICES.len() - 1;

/// The variable with the token of the balancer's admin port, also for the user.
const TOKEN_VARIABLE: &str = "LB_ADMIN_TOKEN";

/// Every container of a lab has this label, with the lab's id as its value.
const LABEL: &str = "roundabout.lab";

/// `$1` is the lab's label, `$2` the file to remove at the end, `$3` the services, the rest the compose
/// command. When this process is gone, its output has no reader, so the commands that remove the lab must not
/// write there.
const KEEPER: &str = r#"
trap '' HUP INT TERM PIPE
label=$1; file=$2; services=$3; shift 3
"$@" up --detach --no-build $services >&2 </dev/null && echo up
exec >/dev/null
cat
exec 2>/dev/null
"$@" down --timeout 2 </dev/null
left=$(docker ps --all --quiet --filter "label=$label")
[ -z "$left" ] || docker rm --force $left
rm -f "$file"
"#;

/// The containers of one lab; they are removed when this value is dropped.
#[derive(Debug)]
pub(super) struct Containers {
    keeper: Child,
    lifeline: Option<ChildStdin>,
    compose: Vec<String>,
    token: String,
}

impl Containers {
    /// Starts the lab of `docker-compose.yml`, from images that exist already.
    ///
    /// # Errors
    /// If Compose is missing or fails; has its messages.
    pub(super) async fn start() -> Result<Self> {
        spawn_blocking(Self::up).await?
    }

    fn up() -> Result<Self> {
        let id = format!("{:08x}", fastrand::u32(..));
        let token = admin_token()?;
        let mut labels = NamedTempFile::with_prefix("roundabout-")?;
        // JSON is also YAML.
        write!(labels, "{}", labels_for(&id))?;
        // From here on the keeper removes the file.
        let labels = labels.into_temp_path().keep()?;

        let mut compose = command()?;
        compose.extend(["--project-name".into(), format!("roundabout-{id}")]);
        for file in [workspace().join("docker-compose.yml"), labels.clone()] {
            compose.extend(["--file".into(), file.display().to_string()]);
        }
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(format!("{LABEL}={id}"))
            .arg(labels)
            .arg(SERVICES.join(" "))
            .args(&compose)
            .env(TOKEN_VARIABLE, &token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let lifeline = keeper.stdin.take();
        let (said, complaints) = (keeper.stdout.take(), keeper.stderr.take());
        // From here on, the containers are removed if there is an error.
        let containers = Self { keeper, lifeline, compose, token };
        // The keeper closes its stdout when it is up or has failed, but keeps its stderr open. This must be
        // read all the time, or Compose would wait for a reader.
        let complaints = std::thread::spawn(move || complaints.map(std::io::read_to_string));
        let said = said.map(std::io::read_to_string).transpose()?.unwrap_or_default();
        if said.trim() != "up" {
            drop(containers);
            let complaints = complaints.join().ok().flatten().and_then(Result::ok).unwrap_or_default();
            anyhow::bail!("Compose cannot start the lab:\n{complaints}");
        }
        Ok(containers)
    }

    /// The token that changes at the balancer's admin port need.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The last output of the containers.
    pub(super) fn logs(&self) -> String {
        let Some((program, args)) = self.compose.split_first() else { return String::new() };
        let output = Command::new(program).args(args).args(["logs", "--no-color", "--tail", "40"]).output();
        match output {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => format!("no logs: cannot run {program}: {error}"),
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The panic must not become an abort because the standard error is closed.
            let _ = write!(stderr(), "what the containers printed last:\n{}", self.logs());
        }
        self.lifeline = None;
        // This fails only if the keeper is gone.
        drop(self.keeper.wait());
    }
}

/// The token for the balancer's admin port: that of the environment, or 128 random bits.
fn admin_token() -> Result<String> {
    if let Some(token) = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    let mut bits = [0; 16];
    let mut source = std::fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source.read_exact(&mut bits).context("cannot read /dev/urandom")?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The command that runs Compose: its second version if Docker has it, otherwise the first one.
fn command() -> Result<Vec<String>> {
    for (program, args) in [("docker", &["compose"][..]), ("docker-compose", &[])] {
        let asked = Command::new(program).args(args).arg("version").output();
        if asked.is_ok_and(|output| output.status.success()) {
            return Ok([program].iter().chain(args).map(|&word| word.to_owned()).collect());
        }
    }
    anyhow::bail!("there is no Compose here: install it (Debian: `apt install docker-compose`)")
}

/// The addition to `docker-compose.yml`: the label of this lab for each service.
fn labels_for(id: &str) -> Value {
    let services = SERVICES.map(|service| (service.to_owned(), json!({"labels": {LABEL: id}})));
    json!({"services": serde_json::Map::from_iter(services)})
}
