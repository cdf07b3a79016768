//! The page and the report in a real browser.
//!
//! These tests need Chromium and its driver. Without them they are reported as ignored, with the reason; if
//! the variable `ROUNDABOUT_REQUIRE_BROWSER` is set, as in continuous integration, they fail instead. With
//! `ROUNDABOUT_BARS=full`, the tests that measure take their full time. The pictures of the page are in
//! `target/tmp/console-*.png`.
//!
//! ```sh
//! cargo test -p e2e --test console
//! ```

mod driver;
mod handed_in;
mod look;
mod tab;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use self::driver::{Browser, Installed};

/// A test: it gets a browser whose last page another test has left.
type Story = fn(&Runtime, &Browser) -> Result<()>;

/// All tests. They share one browser, so they run one at a time.
const STORIES: &[(&str, Story)] = &[("a_report_opens_from_its_file", |runtime, browser| {
    runtime.block_on(handed_in::a_report_opens_from_its_file(browser))
})];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let installed = Installed::find().map_err(|error| format!("{error:#}"));
    let insisted = std::env::var_os("ROUNDABOUT_REQUIRE_BROWSER").is_some();
    if let Err(reason) = &installed {
        eprintln!("the tests of the page need a browser, and {reason}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let started = match &installed {
        Ok(installed) if !arguments.list => {
            runtime.block_on(Browser::start(installed)).map(Arc::new).map_err(|error| format!("{error:#}"))
        }
        Ok(_) => Err("not started".to_owned()),
        Err(reason) => Err(reason.clone()),
    };
    let trials = STORIES.iter().map(|(name, story)| {
        let ignored = installed.is_err() && !insisted;
        // The name contains the reason, because the report has no other place for it.
        let name = if ignored { format!("{name} (no browser is installed)") } else { (*name).to_owned() };
        let (started, runtime) = (started.clone(), runtime.clone());
        let trial = Trial::test(name, move || {
            let browser = started.map_err(Failed::from)?;
            story(&runtime, &browser).map_err(|error| format!("{error:#}").into())
        });
        trial.with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(browser) = started.ok().and_then(Arc::into_inner)
        && let Err(error) = runtime.block_on(browser.stop())
    {
        eprintln!("{error:#}");
    }
    conclusion.exit_code()
}
