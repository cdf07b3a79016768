//! Sends the commands of a console to the lab to which it is attached, or to a balancer alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use api::Command;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use lab::client::{Answer, Client, request};
use serde_json::{Value, json};

use super::address::{Kind, token};
use super::command::command;
use super::key_press::KeyPress;
use crate::endpoint::TOKEN_HEADER;
use crate::keys::Action;

/// How a console gets the token of a balancer.
const TOKEN_HELP: &str = "start the console with --token-file FILE, or set the variable LB_ADMIN_TOKEN";

/// The name of a report, without its ending.
const REPORT: &str = "roundabout-report";

/// The reports that a folder gets at most, so that none is replaced.
const REPORTS: usize = 99;

/// Sends the commands of a console to one server.
#[derive(Clone)]
pub(super) struct CommandSender {
    /// The console of a lab, or the admin port of a balancer.
    pub(super) server: SocketAddr,
    pub(super) kind: Kind,
    /// The folder for reports.
    pub(super) folder: PathBuf,
    /// The token of the admin port of a balancer.
    pub(super) token: Option<String>,
}

impl std::fmt::Debug for CommandSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        f.debug_struct("CommandSender")
            .field("server", &self.server)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl CommandSender {
    /// Does what a key stands for. Returns a message to the user, if the stream does not have one.
    pub(super) async fn handle(&self, press: &KeyPress) -> Option<String> {
        let done = match (press.action, command(press)) {
            (Action::Report, _) => self.report().await.map(Some),
            (_, Some(command)) => self.send(&command).await.map(|()| None),
            (Action::MakeReal, None) => Ok(Some("no ghost runs: g starts one".to_owned())),
            _ => Ok(Some("this stream has no load that could be changed".to_owned())),
        };
        done.unwrap_or_else(|error| Some(format!("cannot do this: {error:#}")))
    }

    async fn send(&self, command: &Command) -> Result<()> {
        let mut request = match self.kind {
            Kind::Lab => json_request(Method::POST, "/commands", &serde_json::to_value(command)?)?,
            Kind::Balancer => {
                let (method, path, body) = for_balancer(command)?;
                json_request(method, &path, &body)?
            }
        };
        if self.kind == Kind::Lab {
            // Another start of the lab has another token.
            let token = HeaderValue::try_from(token(self.server).await?).context("the token is no header")?;
            request.headers_mut().insert(TOKEN_HEADER, token);
        }
        if let (Kind::Balancer, Some(token)) = (self.kind, &self.token) {
            let bearer = HeaderValue::try_from(format!("Bearer {token}"));
            let bearer = bearer.ok().context("the token of the balancer has invalid characters")?;
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let answer = Client::new(self.server).send(request).await?;
        if self.kind == Kind::Balancer && answer.status == StatusCode::UNAUTHORIZED {
            bail!("the balancer refuses changes without its token: {TOKEN_HELP}");
        }
        done(&answer)
    }

    /// Writes the report into a file of its own, and says where it is.
    async fn report(&self) -> Result<String> {
        if self.kind == Kind::Balancer {
            bail!("only the console of a lab writes a report");
        }
        let answer = Client::new(self.server).get("/report").await?;
        done(&answer)?;
        save_report(&self.folder, &answer.body)
    }
}

/// Writes a report into a new file in this folder, and says where it is.
///
/// # Errors
/// If the file cannot be written.
pub fn save_report(folder: &Path, report: &[u8]) -> Result<String> {
    let path = write_new(folder, report)?;
    Ok(format!("the report is in {}", path.display()))
}

/// Writes a file that does not exist yet.
fn write_new(folder: &Path, report: &[u8]) -> Result<PathBuf> {
    for number in 1..=REPORTS {
        let name = if number == 1 { format!("{REPORT}.html") } else { format!("{REPORT}-{number}.html") };
        let path = folder.join(name);
        match std::fs::File::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            file => {
                let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, report));
                written.with_context(|| format!("cannot write {}", path.display()))?;
                return Ok(path);
            }
        }
    }
    bail!("there are {REPORTS} reports in {}: remove some of them", folder.display())
}

fn json_request(method: Method, path: &str, body: &Value) -> Result<Request<Bytes>> {
    let mut request = request(method, path, body.to_string().into())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// The error of an answer that is no success.
fn done(answer: &Answer) -> Result<()> {
    if answer.status.is_success() {
        return Ok(());
    }
    let error = answer.json::<Value>().ok().and_then(|body| Some(body["error"].as_str()?.to_owned()));
    bail!("{}", error.unwrap_or_else(|| format!("the answer was {}", answer.status)))
}

/// The change at the admin port of a balancer that does this command.
fn for_balancer(command: &Command) -> Result<(Method, String, Value)> {
    let backend = |backend: &usize, change| (Method::PATCH, format!("/backends/{backend}"), change);
    Ok(match command {
        Command::Policy { policy } => (Method::PUT, "/policy".to_owned(), json!({ "policy": policy })),
        Command::Drain { backend: number } => backend(number, json!({ "mode": "drain" })),
        Command::Ready { backend: number } => backend(number, json!({ "mode": "ready" })),
        Command::Weight { backend: number, weight } => backend(number, json!({ "weight": weight })),
        other => {
            bail!("`{}` needs the console of a lab (port 4000), and this is a balancer alone", other.name())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balancer_alone_does_what_it_can() {
        let path =
            |command| for_balancer(&command).map(|(method, path, body)| format!("{method} {path} {body}"));
        for (command, expected) in [
            (Command::Policy { policy: "ring".into() }, "PUT /policy {\"policy\":\"ring\"}"),
            (Command::Drain { backend: 2 }, "PATCH /backends/2 {\"mode\":\"drain\"}"),
            (Command::Ready { backend: 2 }, "PATCH /backends/2 {\"mode\":\"ready\"}"),
            (Command::Weight { backend: 2, weight: 5 }, "PATCH /backends/2 {\"weight\":5}"),
        ] {
            assert_eq!(path(command).unwrap(), expected);
        }
        let error = path(Command::Kill { backend: 2 }).unwrap_err().to_string();
        assert!(error.contains("`kill` needs the console of a lab"), "{error}");
    }

    #[test]
    fn a_report_replaces_no_other() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let write = |text: &str| write_new(folder.path(), text.as_bytes());
        let (first, second) = (write("one")?, write("two")?);
        assert!(first.ends_with("roundabout-report.html") && second.ends_with("roundabout-report-2.html"));
        assert_eq!((std::fs::read(first)?, std::fs::read(second)?), (b"one".to_vec(), b"two".to_vec()));
        let missing = folder.path().join("no folder");
        assert!(
            write_new(&missing, b"").unwrap_err().to_string().contains("cannot write"),
            "no endless loop"
        );
        Ok(())
    }
}
