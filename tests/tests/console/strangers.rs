//! Pages of other programs on the same machine: they cannot command the lab.

use anyhow::{Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::driver::Browser;
use super::stage::Stage;
use super::tab::Tab;

/// Serves an empty page at another port of this machine.
async fn other_page() -> Result<(String, tokio::task::JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let page = Router::new()
        .route("/", get(async || Html("<!DOCTYPE html><title>another page</title><p>another page")));
    let server = tokio::spawn(async move {
        // It ends with the runtime.
        let _ = axum::serve(listener, page).await;
    });
    Ok((url, server))
}

pub(super) async fn another_page_cannot_command(stage: &Stage, browser: &Browser) -> Result<()> {
    stage.reset().await?;
    let before = kills(stage).await?;
    let (url, server) = other_page().await?;
    let tab = Tab::open(browser, &url).await?;
    let target = json!(format!("{}commands", stage.url));
    let kill = json!(json!({"do": "kill", "backend": 1}).to_string());
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        for mode in ["cors", "no-cors"] {
            let script = format!(
                "fetch({target}, {{ method: 'POST', mode: '{mode}', headers: {{ 'Content-Type': '{kind}' }}, body: {kill} }}).then((answer) => done(`${{answer.type}} ${{answer.status}}`), (error) => done(String(error)));"
            );
            let told: String = tab.later(&script).await?;
            // An opaque answer has the status 0: the page cannot read it.
            ensure!(told.starts_with("TypeError") || told == "opaque 0", "{kind} {mode}: {told}");
        }
    }
    let sent: bool = tab.js(&format!("return navigator.sendBeacon({target}, {kill})")).await?;
    ensure!(sent, "the beacon was not sent");
    let readable: String = tab
        .later(&format!(
            "fetch({}).then((answer) => answer.text()).then(done, (error) => done(String(error)));",
            json!(stage.url)
        ))
        .await?;
    ensure!(readable.starts_with("TypeError"), "another page reads the token: {readable}");
    let form = format!(
        "const form = document.createElement('form'); form.method = 'POST'; form.enctype = 'text/plain'; form.action = {target}; const field = document.createElement('input'); field.name = '{{\"do\":\"kill\",\"backend\":1,\"x\":\"'; field.value = '\"}}'; form.append(field); document.body.append(form); form.submit();"
    );
    tab.js::<Value>(&form).await?;
    tab.until("an answer to the form", &format!("location.href === {target}")).await?;
    server.abort();
    // A command of the page itself comes after all these.
    stage.command(json!({"do": "drain", "backend": 3})).await?;
    let (state, after) = (stage.state().await?, kills(stage).await?);
    stage.reset().await?;
    ensure!(after == before, "{} commands of another page were done", after - before);
    ensure!(state.backends.iter().all(|one| one.state == "up"), "a backend is not up");
    Ok(())
}

/// How often the command of the other page was done so far, as far as the log goes back.
async fn kills(stage: &Stage) -> Result<usize> {
    let model = stage.model().await?;
    let lines = model["log"].as_array().cloned().unwrap_or_default();
    let is_kill = |line: &&Value| line["text"].as_str().is_some_and(|text| text.contains("kill B1"));
    Ok(lines.iter().filter(is_kill).count())
}
