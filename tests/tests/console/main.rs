//! The page and the report in a real browser.
//!
//! These tests need Chromium and its driver. Without them they are reported as ignored, with the reason; if
//! the variable `ROUNDABOUT_REQUIRE_BROWSER` is set, as in continuous integration, they fail instead. With
//! `ROUNDABOUT_BARS=full`, the tests that measure take their full time. The pictures of the page are in
//! `target/tmp/console-*.png`; with `ROUNDABOUT_WRITE_PICTURES=1`, those of the README are written too.
//!
//! ```sh
//! cargo test -p e2e --test console
//! ```

mod commands;
mod driver;
mod handed_in;
mod honest;
mod look;
mod numbers;
mod pictures;
mod readers;
mod speed;
mod stage;
mod strangers;
mod tab;
mod webdriver;

use std::cell::OnceCell;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use self::driver::{Browser, Installed};
use self::honest::terminal;
use self::stage::Stage;

/// What the tests share: one browser, and one lab that is started by the first test that needs it.
struct Shared {
    runtime: Runtime,
    browser: Browser,
    stage: OnceCell<Stage>,
}

impl Shared {
    fn stage(&mut self) -> Result<&mut Stage> {
        if self.stage.get().is_none() {
            let _ = self.stage.set(Stage::start().context("the lab does not start")?);
        }
        self.stage.get_mut().context("no lab")
    }
}

/// A test.
type Story = fn(&mut Shared) -> Result<()>;

/// A test of a page of the lab, with its name.
macro_rules! story {
    ($module:ident::$name:ident) => {
        (stringify!($name), |shared| {
            shared.stage()?;
            let Shared { runtime, browser, stage } = shared;
            let stage = stage.get_mut().context("no lab")?;
            runtime.block_on($module::$name(stage, browser))
        })
    };
}

/// All tests. They share one browser, so they run one at a time.
const STORIES: &[(&str, Story)] = &[
    ("all_languages_have_all_words", |_| numbers::all_languages_have_all_words()),
    ("a_report_opens_from_its_file", |shared| {
        shared.runtime.block_on(handed_in::a_report_opens_from_its_file(&shared.browser))
    }),
    story!(commands::lanes_move),
    story!(commands::a_kill_is_shown_at_once),
    story!(commands::a_dead_backend_starts_again),
    story!(commands::the_menu_changes_the_policy),
    story!(commands::a_ghost_comes_goes_and_becomes_real),
    story!(commands::a_backend_is_drained_and_weighted),
    story!(commands::the_load_changes_and_a_reset_brings_it_back),
    story!(commands::a_secret_stays_hidden_until_it_is_revealed),
    story!(commands::the_report_is_downloaded_and_opens),
    story!(commands::the_page_comes_back_after_a_restart),
    story!(readers::the_keyboard_reaches_everything),
    story!(readers::no_motion_where_it_is_not_wanted),
    story!(readers::words_have_contrast_and_controls_have_names),
    story!(readers::every_plot_has_a_table),
    story!(readers::everything_fits_each_window),
    story!(strangers::another_page_cannot_command),
    story!(numbers::the_page_is_small),
    story!(numbers::two_models_give_the_same_views),
    story!(numbers::numbers_at_rest_are_those_of_the_lab),
    story!(honest::all_numbers_are_those_of_the_lab),
    story!(terminal::all_numbers_of_the_terminal_are_those_of_the_lab),
    story!(numbers::the_first_paint_is_soon),
    story!(pictures::pictures),
    ("the_page_draws_fast_enough", |shared| {
        shared.runtime.block_on(speed::the_page_draws_fast_enough(&shared.browser))
    }),
    ("viewers_cost_the_balancer_nothing", |shared| {
        shared.runtime.block_on(speed::viewers_cost_the_balancer_nothing(&shared.browser))
    }),
];

/// Whether the tests take their full time.
fn full() -> bool {
    std::env::var("ROUNDABOUT_BARS").is_ok_and(|bars| bars == "full")
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let installed = Installed::find().map_err(|error| format!("{error:#}"));
    let insisted = std::env::var_os("ROUNDABOUT_REQUIRE_BROWSER").is_some();
    if let Err(reason) = &installed {
        eprintln!("the tests of the page need a browser, and {reason}");
    }
    let started = match &installed {
        Ok(installed) if !arguments.list => start(installed).map_err(|error| format!("{error:#}")),
        Ok(_) => Err("not started".to_owned()),
        Err(reason) => Err(reason.clone()),
    };
    let started = Arc::new(Mutex::new(started));
    let trials = STORIES.iter().map(|(name, story)| {
        // The name contains the reason, because the report has no other place for it.
        let reason = if installed.is_err() && !insisted {
            Some("no browser is installed")
        } else if *name == "pictures" && !pictures::are_wanted() {
            Some("ROUNDABOUT_WRITE_PICTURES=1 writes them")
        } else {
            None
        };
        let (ignored, name) = match reason {
            Some(reason) => (true, format!("{name} ({reason})")),
            None => (false, (*name).to_owned()),
        };
        let started = started.clone();
        let trial = Trial::test(name, move || {
            let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
            let shared = started.as_mut().map_err(|reason| Failed::from(reason.clone()))?;
            story(shared).map_err(|error| format!("{error:#}").into())
        });
        trial.with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(Ok(Shared { runtime, browser, .. })) = Arc::into_inner(started).map(ended)
        && let Err(error) = runtime.block_on(browser.stop())
    {
        eprintln!("{error:#}");
    }
    conclusion.exit_code()
}

fn ended(shared: Mutex<Result<Shared, String>>) -> Result<Shared, String> {
    shared.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn start(installed: &Installed) -> Result<Shared> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let browser = runtime.block_on(Browser::start(installed))?;
    Ok(Shared { runtime, browser, stage: OnceCell::new() })
}
