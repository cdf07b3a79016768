//! The proxies that are compared, each told to do the same work.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, bail, ensure};

use super::PROXY_CORE;
use super::backends::{Backends, MIRROR};
use super::process::{self, Running};
use crate::workspace;

/// How long a proxy may take until it answers; under valgrind everything takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of the proxies, not yet running.
pub(super) enum Contender {
    /// This balancer, as `cargo build --release` makes it.
    Roundabout { binary: PathBuf },
    /// nginx, with a master and one worker.
    Nginx { binary: PathBuf },
    /// HAProxy, with one thread.
    Haproxy { binary: PathBuf },
}

impl Contender {
    /// This balancer, freshly built, and whichever of the others is installed; says which are not.
    pub(super) fn all() -> anyhow::Result<Vec<Self>> {
        let mut all = vec![Self::Roundabout { binary: build_balancer()? }];
        match process::locate("nginx") {
            Some(binary) => all.push(Self::Nginx { binary }),
            None => println!("nginx is not installed and stays out: apt install nginx"),
        }
        match process::locate("haproxy") {
            Some(binary) => all.push(Self::Haproxy { binary }),
            None => println!("HAProxy is not installed and stays out: apt install haproxy"),
        }
        Ok(all)
    }

    /// Its name, as its makers spell it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Roundabout { .. } => "Roundabout",
            Self::Nginx { .. } => "nginx",
            Self::Haproxy { .. } => "HAProxy",
        }
    }

    /// Its version, as it says itself; empty if it does not.
    pub(super) fn version(&self) -> String {
        let (binary, flag) = match self {
            Self::Roundabout { binary } => (binary, "--version"),
            Self::Nginx { binary } | Self::Haproxy { binary } => (binary, "-v"),
        };
        let Ok(output) = Command::new(binary).arg(flag).output() else { return String::new() };
        // nginx says it on stderr.
        let said = [output.stdout, output.stderr].concat();
        first_version(&String::from_utf8_lossy(&said)).unwrap_or_default()
    }

    /// The command that runs it in the foreground on that port, after its configuration was written.
    fn command(&self, port: u16, backends: &[u16], folder: &Path) -> anyhow::Result<Vec<String>> {
        let write = |name: &str, text: String| -> anyhow::Result<String> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path.display().to_string())
        };
        let words: Vec<String> = match self {
            Self::Roundabout { binary } => {
                let urls: Vec<String> =
                    backends.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
                vec![
                    binary.display().to_string(),
                    format!("--backends={}", urls.join(",")),
                    format!("--port={port}"),
                    "--bind=127.0.0.1".into(),
                    "--admin=127.0.0.1:0".into(),
                    "--workers=1".into(),
                    "--exit-with-parent".into(),
                ]
            }
            Self::Nginx { binary } => {
                let config = write("nginx.conf", nginx_config(port, backends, folder))?;
                let prefix = folder.display().to_string();
                vec![
                    binary.display().to_string(),
                    "-e".into(),
                    "stderr".into(),
                    "-p".into(),
                    prefix,
                    "-c".into(),
                    config,
                ]
            }
            Self::Haproxy { binary } => {
                let config = write("haproxy.cfg", haproxy_config(port, backends))?;
                vec![binary.display().to_string(), "-db".into(), "-f".into(), config]
            }
        };
        Ok(words)
    }
}

/// A proxy that runs and answers, until it is dropped.
pub(super) struct Started {
    running: Running,
    port: u16,
    name: &'static str,
}

impl Started {
    /// Starts a proxy, behind a tracer with its flags if there is one, and waits until it answers.
    pub(super) fn start(
        contender: &Contender,
        tracer: &[String],
        backends: &Backends,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let name = contender.name();
        let port = free_port()?;
        let words = [tracer, &contender.command(port, backends.ports(), folder)?].concat();
        // valgrind becomes the program it runs; strace stays apart from it.
        let traced = tracer.first().is_some_and(|tracer| tracer == "strace");
        let log = folder.join(format!("{name}.log"));
        let mut running = Running::start(PROXY_CORE, &words, traced, log)?;
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

    /// Fails unless the backend sees the forwarding headers that all of them shall set.
    pub(super) fn does_equal_work(&self) -> anyhow::Result<()> {
        let seen = get(self.port, MIRROR)?.to_ascii_lowercase();
        for header in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            ensure!(
                seen.lines().any(|line| line.starts_with(&format!("{header}:"))),
                "{} does not do the work of the others: no {header} in {seen:?}",
                self.name
            );
        }
        Ok(())
    }

    /// Asks it to end, and returns what it and its tracer wrote to stderr.
    pub(super) fn finish(self) -> anyhow::Result<String> {
        self.running.finish()
    }
}

/// One GET on a connection of its own; returns the whole answer if it is a 200.
fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "not a 200: {answer:?}");
    Ok(answer)
}

/// A port that is free now. nginx and HAProxy do not tell which port they got if they are told to take any,
/// so somebody else may be quicker; then the start fails and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Builds the balancer for release and returns where it is.
fn build_balancer() -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "lb"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the balancer does not build; the compiler says why above");
    }
    find_executable(&String::from_utf8_lossy(&output.stdout), "lb").context("cargo built no `lb`")
}

/// Where cargo says it put a program, in its messages of one JSON object a line.
fn find_executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// The first word that looks like a version, such as `1.22.1` in `nginx version: nginx/1.22.1`.
fn first_version(said: &str) -> Option<String> {
    said.split([' ', '/', '\n', '-', '+'])
        .find(|word| word.contains('.') && word.starts_with(|letter: char| letter.is_ascii_digit()))
        .map(str::to_owned)
}

/// Connections to clients and backends are kept for ever, as by the others; nothing else is tuned.
fn nginx_config(port: u16, backends: &[u16], folder: &Path) -> String {
    // A worker that root starts becomes somebody who may not write into our folder, as callgrind must.
    let user = if rustix::process::geteuid().is_root() { "user root root;\n" } else { "" };
    let servers: String = backends.iter().map(|port| format!("    server 127.0.0.1:{port};\n")).collect();
    let folder = folder.display();
    format!(
        "{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  keepalive_requests 1000000000;
  upstream backends {{
{servers}    keepalive 128;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header Via \"1.1 nginx\";
    }}
  }}
}}
"
    )
}

/// As above; the checks are TCP connects every second, as the balancer's pings are.
fn haproxy_config(port: u16, backends: &[u16]) -> String {
    let servers: String = backends
        .iter()
        .enumerate()
        .map(|(number, port)| format!("  server b{number} 127.0.0.1:{port} check inter 1s\n"))
        .collect();
    format!(
        "global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:{port}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request add-header Via \"1.1 haproxy\"
  default_backend backends
backend backends
  balance roundrobin
{servers}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1\n", Some("1.22.1")),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", Some("2.6.12")),
            ("lb 0.1.0\n", Some("0.1.0")),
            ("no idea\n", None),
        ] {
            assert_eq!(first_version(said).as_deref(), version, "{said}");
        }
    }

    #[test]
    fn the_executable_is_in_cargos_messages() {
        let messages = "{\"target\":{\"name\":\"other\"},\"executable\":\"/x/other\"}\nnoise\n\
                        {\"target\":{\"name\":\"lb\"},\"executable\":null}\n\
                        {\"target\":{\"name\":\"lb\"},\"executable\":\"/x/lb\"}\n";
        assert_eq!(find_executable(messages, "lb"), Some(PathBuf::from("/x/lb")));
        assert_eq!(find_executable(messages, "missing"), None);
    }

    #[test]
    fn configurations_name_the_port_and_every_backend() {
        let nginx = nginx_config(1000, &[2001, 2002], Path::new("/folder"));
        let haproxy = haproxy_config(1000, &[2001, 2002]);
        for part in ["127.0.0.1:1000", "127.0.0.1:2001", "127.0.0.1:2002"] {
            assert!(nginx.contains(part) && haproxy.contains(part), "{part}");
        }
    }
}
