//! A page in the browser, as a test sees it.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::driver::Browser;

/// The time limit of most waits. The machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs before the scripts of each page, and keeps what a test asks for later.
const BEFORE: &str = "
window.told = [];
addEventListener('error', (e) => told.push('error: ' + (e.message ?? ('cannot load ' + (e.target.src || e.target.href)))), true);
addEventListener('unhandledrejection', (e) => told.push('rejected: ' + e.reason));
addEventListener('securitypolicyviolation', (e) => told.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI));
for (const kind of ['error', 'warn']) {
  const before = console[kind].bind(console);
  console[kind] = (...all) => { told.push(kind + ': ' + all.join(' ')); before(...all); };
}";

/// A size of the window: width, height and pixels of the screen for each of its pixels.
pub(super) type Size = (u32, u32, f64);

/// The usual size.
pub(super) const SIZE: Size = (1280, 720, 1.0);

/// A fresh page.
pub(super) struct Tab<'a> {
    pub(super) browser: &'a Browser,
}

impl<'a> Tab<'a> {
    /// Opens a page in a window of the usual size.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub(super) async fn open(browser: &'a Browser, url: &str) -> Result<Self> {
        let tab = Self::blank(browser).await?;
        tab.go(url).await?;
        Ok(tab)
    }

    /// An empty page, without the settings of the test before.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub(super) async fn blank(browser: &'a Browser) -> Result<Self> {
        let web = &browser.web;
        web.only_tab().await?;
        // The log of the browser is that of all pages.
        web.log().await?;
        let tab = Self { browser };
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": BEFORE})).await?;
        tab.size(SIZE).await?;
        Ok(tab)
    }

    /// Goes to another page.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub(super) async fn go(&self, url: &str) -> Result<()> {
        self.browser.web.goto(url).await.with_context(|| format!("cannot open {url}"))
    }

    /// Gives the window this size. The size of the window in the command line has the frame in it.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub(super) async fn size(&self, (width, height, scale): Size) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": false});
        self.browser.cdp("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// The value of a script, which has `return` as a function has.
    ///
    /// # Errors
    /// If the script fails, or has a value of another type.
    pub(super) async fn js<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let script = format!(
            "const $ = (css) => document.querySelector(css), $$ = (css) => [...document.querySelectorAll(css)];\n{script}"
        );
        let value = self.browser.web.execute(&script).await.with_context(|| script.clone())?;
        serde_json::from_value(value).map_err(|error| anyhow!("{error}: {script}"))
    }

    /// The value of a script that ends later, by a call of `done`.
    ///
    /// # Errors
    /// If the script fails, or does not end.
    pub(super) async fn later<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let script = format!(
            "const done = arguments[arguments.length - 1], $ = (css) => document.querySelector(css), $$ = (css) => [...document.querySelectorAll(css)];\n{script}"
        );
        let value = self.browser.web.execute_async(&script).await.with_context(|| script.clone())?;
        serde_json::from_value(value).map_err(|error| anyhow!("{error}: {script}"))
    }

    /// Waits until a script has a true value. The error has what the page shows.
    ///
    /// # Errors
    /// If the time is up.
    pub(super) async fn until(&self, what: &str, script: &str) -> Result<()> {
        let test = format!("return Boolean({script});");
        let reached = lab::eventually(PATIENCE, what, async || {
            let found: bool = self.js(&test).await?;
            ensure!(found, "not yet");
            Ok(())
        });
        let Err(error) = reached.await else { return Ok(()) };
        let text: String = self.js("const text = (css) => $$(css).map((one) => one.innerText.replaceAll('\\n', ' ')).join(' | '); return ['#banner', '#totals', '.lane .head', '#status'].map(text).join('\\n')").await.unwrap_or_default();
        Err(error.context(format!("the page shows:\n{text}")))
    }

    /// Clicks as a person does: at the middle of the element, which must be visible and not covered.
    ///
    /// # Errors
    /// If it cannot be clicked.
    pub(super) async fn click(&self, css: &str) -> Result<()> {
        self.browser.web.click(css).await.with_context(|| format!("cannot click {css}"))
    }

    /// Presses keys, one after the other, where the focus is.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub(super) async fn keys(&self, keys: impl AsRef<str>) -> Result<()> {
        let pressed = self.browser.web.keys(keys.as_ref()).await;
        pressed.with_context(|| format!("cannot press {:?}", keys.as_ref()))
    }

    /// Chooses an option of a menu, as a person does with the keyboard or the mouse.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn choose(&self, css: &str, value: &str) -> Result<()> {
        let option = format!("{css} option[value='{value}']");
        self.click(&option).await
    }

    /// Moves a slider to a value.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn slide(&self, css: &str, value: f64) -> Result<()> {
        let script = format!(
            "const range = $({}); range.value = {value}; for (const kind of ['input', 'change']) range.dispatchEvent(new Event(kind, {{ bubbles: true }}));",
            json!(css)
        );
        self.js::<Value>(&script).await.map(drop)
    }

    /// The text of an element.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn text(&self, css: &str) -> Result<String> {
        self.js(&format!("return $({}).textContent.trim()", json!(css))).await
    }

    /// What the page complained about: errors, warnings, refused requests. Lines with one of these words are
    /// left out.
    ///
    /// # Errors
    /// If it complained.
    pub(super) async fn is_quiet(&self, except: &[&str]) -> Result<()> {
        let mut told: Vec<String> = self.js("return window.told ?? []").await?;
        told.extend(self.browser.web.log().await?);
        told.retain(|line| !except.iter().any(|word| line.contains(word)));
        ensure!(told.is_empty(), "the page complains:\n{}", told.join("\n"));
        Ok(())
    }

    /// Writes what the window shows to `target/tmp/console-NAME.png`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) async fn picture(&self, name: &str) -> Result<()> {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = folder.join(format!("console-{name}.png"));
        let picture = self.browser.web.screenshot().await?;
        std::fs::write(&file, picture).with_context(|| format!("cannot write {}", file.display()))
    }
}
