//! The few commands of WebDriver (<https://www.w3.org/TR/webdriver2/>) that the tests need, and two of
//! ChromeDriver's own.
//!
//! The library `thirtyfour` would bring 43 packages, and would switch on the order of keys in `serde_json`
//! for every program of the workspace.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use lab::client::{Client, request};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The time limit of one command. A script that ends later has less.
const PATIENCE: Duration = Duration::from_secs(150);

/// The name under which WebDriver refers to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The tabulator and the escape key, as WebDriver writes them.
pub(super) const TAB: &str = "\u{e004}";
pub(super) const ESCAPE: &str = "\u{e00c}";

/// A browser that a driver has started.
pub(super) struct Session {
    driver: Mutex<Client>,
    path: String,
}

impl Session {
    /// Lets the driver at this port start a browser.
    ///
    /// # Errors
    /// What the driver says.
    pub(super) async fn start(port: u16, wanted: Value) -> Result<Self> {
        let driver = Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).patience(PATIENCE);
        let mut session = Self { driver: Mutex::new(driver), path: "/session".to_owned() };
        let body = json!({"capabilities": {"alwaysMatch": wanted}});
        let started = session.send(Method::POST, "", body).await.context("the browser does not start")?;
        let id = started["sessionId"].as_str().context("the driver tells no session")?;
        session.path = format!("/session/{id}");
        let timeouts = json!({"script": 120_000, "pageLoad": 60_000, "implicit": 0});
        session.send(Method::POST, "/timeouts", timeouts).await?;
        Ok(session)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let call = request(method, &format!("{}{path}", self.path), bytes)?;
        let answer: Value = self.driver.lock().await.send(call).await?.json()?;
        let value = &answer["value"];
        if let Some(error) = value["error"].as_str() {
            let message = value["message"].as_str().unwrap_or_default();
            bail!("{error}: {}", message.lines().next().unwrap_or_default());
        }
        Ok(value.clone())
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, body).await
    }

    /// Loads a page, and waits until it is loaded.
    pub(super) async fn goto(&self, url: &str) -> Result<()> {
        self.post("/url", json!({ "url": url })).await.map(drop)
    }

    /// Opens an empty tab, closes all others, and goes to the new one.
    pub(super) async fn only_tab(&self) -> Result<()> {
        let fresh = self.post("/window/new", json!({"type": "tab"})).await?["handle"].clone();
        let windows = self.send(Method::GET, "/window/handles", Value::Null).await?;
        for old in windows.as_array().into_iter().flatten().filter(|window| **window != fresh) {
            self.post("/window", json!({ "handle": old })).await?;
            self.send(Method::DELETE, "/window", Value::Null).await?;
        }
        self.post("/window", json!({ "handle": fresh })).await.map(drop)
    }

    /// The value of a script, which has `return` as a function has.
    pub(super) async fn execute(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// The value with which a script calls its last argument.
    pub(super) async fn execute_async(&self, script: &str) -> Result<Value> {
        self.post("/execute/async", json!({"script": script, "args": []})).await
    }

    /// Clicks at the middle of the first element that a selector finds. It must be visible and not covered.
    pub(super) async fn click(&self, css: &str) -> Result<()> {
        let found = self.post("/element", json!({"using": "css selector", "value": css})).await?;
        let element = found[ELEMENT].as_str().context("the driver finds an element without a name")?;
        self.post(&format!("/element/{element}/click"), json!({})).await.map(drop)
    }

    /// Presses and releases keys, one after the other, where the focus is.
    pub(super) async fn keys(&self, keys: &str) -> Result<()> {
        let press =
            |key: char| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}));
        let presses: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": presses});
        self.post("/actions", json!({ "actions": [keyboard] })).await.map(drop)
    }

    /// What the browser has logged since the last call, as `LEVEL: message`.
    pub(super) async fn log(&self) -> Result<Vec<String>> {
        let entries = self.post("/se/log", json!({"type": "browser"})).await?;
        let line = |entry: &Value| {
            let [level, message] = ["level", "message"].map(|key| entry[key].as_str().unwrap_or_default());
            format!("{level}: {message}")
        };
        Ok(entries.as_array().into_iter().flatten().map(line).collect())
    }

    /// What the window shows, as a PNG.
    pub(super) async fn screenshot(&self) -> Result<Vec<u8>> {
        let picture = self.send(Method::GET, "/screenshot", Value::Null).await?;
        let text = picture.as_str().context("the driver sends no picture")?;
        STANDARD.decode(text).context("the picture of the driver is not base64")
    }

    /// A command of the protocol of the browser's developer tools.
    pub(super) async fn cdp(&self, method: &str, parameters: Value) -> Result<Value> {
        let command = json!({"cmd": method, "params": parameters});
        self.post("/goog/cdp/execute", command).await.with_context(|| method.to_owned())
    }

    /// Ends the browser.
    pub(super) async fn quit(&self) -> Result<()> {
        self.send(Method::DELETE, "", Value::Null).await.map(drop)
    }
}
