//! A browser without a window, and the program that drives it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::webdriver::Session;

/// The names of the driver, and of the browsers that it can drive. Debian has the first of each.
const DRIVERS: [&str; 1] = ["chromedriver"];
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The time limit for the start of the driver, and of the browser.
const START: Duration = Duration::from_secs(60);

/// What is installed.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    driver: PathBuf,
    browser: PathBuf,
}

impl Installed {
    /// Looks for a browser and its driver.
    ///
    /// # Errors
    /// Names what is missing, and the packages that have it.
    pub(super) fn find() -> Result<Self> {
        let missing = "install them, as on Debian with `apt-get install chromium chromium-driver`";
        let driver = program(&DRIVERS).with_context(|| format!("chromedriver is missing: {missing}"))?;
        let browser = program(&BROWSERS).with_context(|| format!("chromium is missing: {missing}"))?;
        Ok(Self { driver, browser })
    }
}

fn program(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// A browser, and its driver.
pub(super) struct Browser {
    pub(super) web: Session,
    driver: Child,
    folder: TempDir,
}

impl Browser {
    /// Starts both, with a profile of their own.
    ///
    /// # Errors
    /// If one of them does not start in time.
    pub(super) async fn start(installed: &Installed) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut driver = Command::new(&installed.driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run chromedriver")?;
        let output = driver.stdout.take().context("chromedriver has no output")?;
        let port = timeout(START, port_of(output)).await.context("chromedriver tells no port")??;
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let flags = [
            // The tests run as root in containers, which have a small /dev/shm.
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            // Nothing but the page uses the network or the processor.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-extensions",
            "--disable-default-apps",
            // A page that is not in front draws as fast as one that is.
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
            "--lang=en",
            &profile,
        ];
        let downloads = folder.path().join("downloads");
        std::fs::create_dir_all(&downloads)?;
        let wanted = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": installed.browser,
                "args": flags,
                "prefs": {"download.default_directory": downloads, "download.prompt_for_download": false},
            },
        });
        let web =
            timeout(START, Session::start(port, wanted)).await.context("the browser does not start")??;
        Ok(Self { web, driver, folder })
    }

    /// The folder for downloads.
    pub(super) fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// The folder for files of tests.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of the protocol of the browser's developer tools.
    ///
    /// # Errors
    /// What the browser says against it.
    pub(super) async fn cdp(&self, method: &str, parameters: Value) -> Result<Value> {
        self.web.cdp(method, parameters).await
    }

    /// Ends the browser and then its driver.
    ///
    /// # Errors
    /// If one of them does not end.
    pub(super) async fn stop(mut self) -> Result<()> {
        let closed = timeout(START, self.web.quit()).await;
        let pid =
            self.driver.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let Some(pid) = pid else { bail!("chromedriver has ended before its browser") };
        // It ends the browsers that it still has.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        if timeout(Duration::from_secs(10), self.driver.wait()).await.is_err() {
            self.driver.kill().await?;
        }
        closed.context("the browser does not end")??;
        Ok(())
    }
}

/// The port in the line of the driver that tells it. Its other lines are read and dropped, so that it is
/// never blocked.
async fn port_of(output: impl tokio::io::AsyncRead + Unpin + Send + 'static) -> Result<u16> {
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let port = port.trim_end_matches('.').parse().with_context(|| line.clone())?;
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port);
        }
        said.push_str(&line);
        said.push('\n');
    }
    ensure!(!said.is_empty(), "chromedriver ended without a word");
    bail!("chromedriver ended: {said}")
}
