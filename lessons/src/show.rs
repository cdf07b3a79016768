//! Live runs on the screen: a line a second, and the page on port 4000.

use std::io::{IsTerminal, stdout};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use api::Event;
use console::Reporter;
use console::terminal::{EventSource, Start, live, plain};
use console::web::{PORT, PageServer, Site};
use lab::stream::StreamReader;
use lessons::live::{Lateness, LiveRun, Plan, Stage};
use lessons::{Figures, Lesson, Reports};

use crate::print::print;

/// How live runs are shown.
#[derive(Clone, Copy)]
pub(crate) struct Show {
    /// Nothing is printed.
    pub(crate) is_quiet: bool,
    /// The page is served, if its port is free.
    pub(crate) has_page: bool,
    /// The quick plans.
    pub(crate) is_quick: bool,
}

impl Show {
    /// Does all live runs of a lesson, one after the other. Returns their figures, and how late the machine
    /// was.
    pub(crate) fn live<'l>(&self, lesson: &'l Lesson, seed: u64) -> Result<(Reports<'l>, Lateness)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut lateness = Lateness::measure();
        let mut reports = Reports::new();
        for (name, plan) in lesson.plans(self.is_quick) {
            if !self.is_quiet {
                print(&format!("\n{}:\n", describe(name, plan)))?;
            }
            let run = runtime.block_on(self.run(name, plan, lesson, seed));
            let run = run.with_context(|| format!("run {name}"))?;
            lateness = lateness.with(run.late());
            let figures: Rc<dyn Figures> = Rc::new(run);
            reports.insert(name, figures);
        }
        if !self.is_quiet {
            print("\n")?;
        }
        Ok((reports, lateness))
    }

    async fn run(&self, name: &str, plan: &Plan, lesson: &Lesson, seed: u64) -> Result<LiveRun> {
        let stage = Stage::start(plan, seed).await?;
        let page = if self.has_page && !self.is_quiet { page(&stage).await } else { None };
        if let Some(page) = &page {
            print(&format!("the page is at {}\n", page.url()))?;
        }
        let reader = OfLab(stage.stream().read());
        if self.is_quiet {
            return stage.play().await;
        }
        stage.stream().tell(format!("{}; watch {}", describe(name, plan), lesson.watch), "lesson");
        // The screen ends with the run.
        tokio::select! {
            run = stage.play() => run,
            error = failed(reader) => Err(error),
        }
    }
}

/// A run in words: its name, its policy, and its length.
fn describe(name: &str, plan: &Plan) -> String {
    let length = plan.length().map(|length| format!(", {:.0} s", length.as_secs_f64())).unwrap_or_default();
    format!("Run {name}: {}, live{length}", plan.policy())
}

/// The page of a lab. A lesson also runs without it, so a port that is taken is no error.
async fn page(stage: &Stage<'_>) -> Option<PageServer> {
    let reporter = Reporter::start(stage.stream());
    let site = Site::new(stage.stream().clone(), stage.commands().clone()).report(move || reporter.write());
    PageServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), site).await.ok()
}

/// Shows the lab: on a terminal a screen, otherwise a line a second. Returns only if that fails.
async fn failed(reader: OfLab) -> anyhow::Error {
    let shown = match stdout().is_terminal() {
        true => live(reader, Start::default()).await,
        false => plain(reader, None).await,
    };
    match shown {
        // The student has seen enough, or the reader of the lines has gone. The run goes on.
        Err(error) => error,
        Ok(()) => std::future::pending().await,
    }
}

/// The stream of a running lab.
struct OfLab(StreamReader);

impl EventSource for OfLab {
    async fn next(&mut self) -> Option<Event> {
        let (_, event) = self.0.next().await?;
        Some(Arc::unwrap_or_clone(event))
    }

    fn waits(&self) -> bool {
        false
    }
}
