//! `lessons run NN --balancer URL`: the live claims of a lesson, checked on any balancer.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Args;
use console::web::address_of;
use lessons::live::{Bench, Lateness, Plan};
use lessons::{Claim, Figures, Lesson, Reports};

use crate::print::print;

/// The number of backends of another balancer.
const BACKENDS: usize = 4;

/// The balancer that is graded, and what it does.
#[derive(Args, Clone)]
pub(crate) struct Foreign {
    /// Check another balancer, such as http://localhost:3030, instead of ours. It must have the four backends
    /// http://127.0.0.1:3031 to 3034, which the lesson starts.
    #[arg(long, value_name = "URL", conflicts_with = "only")]
    balancer: Option<String>,
    /// The policy of that balancer: the runs with this policy are done.
    #[arg(long, value_name = "NAME", default_value = "round-robin", requires = "balancer")]
    policy: String,
}

/// The figures of the runs that another balancer can do, and the reasons why it cannot do the others.
pub(crate) struct Results<'l> {
    pub(crate) reports: Reports<'l>,
    pub(crate) lateness: Lateness,
    obstacles: BTreeMap<&'l str, String>,
}

impl Foreign {
    /// Whether there is another balancer.
    pub(crate) fn is_wanted(&self) -> bool {
        self.balancer.is_some()
    }

    /// Does the live runs that this balancer can do.
    pub(crate) fn play<'l>(
        &self,
        lesson: &'l Lesson,
        seed: u64,
        is_quick: bool,
        is_quiet: bool,
    ) -> Result<Results<'l>> {
        let url = self.balancer.as_deref().unwrap_or_default();
        let plans: Vec<_> = lesson.plans(is_quick).collect();
        let mut results =
            Results { reports: Reports::new(), lateness: Lateness::measure(), obstacles: BTreeMap::new() };
        let obstacle =
            |(name, plan): &(&'l str, &Plan)| Some((*name, plan.obstacle(&self.policy, BACKENDS)?));
        results.obstacles = plans.iter().filter_map(obstacle).collect();
        let possible: Vec<_> =
            plans.iter().filter(|(name, _)| !results.obstacles.contains_key(name)).collect();
        if possible.is_empty() {
            return Ok(results);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let bench = Bench::start(address_of("--balancer", url).await?, BACKENDS).await?;
            for (name, plan) in possible {
                if !is_quiet {
                    print(&format!("Run {name} ...\n"))?;
                }
                let run = bench.play(plan, seed).await.with_context(|| format!("run {name}"))?;
                results.lateness = results.lateness.with(run.late());
                let figures: Rc<dyn Figures> = Rc::new(run);
                results.reports.insert(name, figures);
            }
            Ok(results)
        })
    }
}

impl Results<'_> {
    /// Why a claim cannot be checked; `None` if it can.
    pub(crate) fn obstacle(&self, claim: &Claim) -> Option<String> {
        let of_run = |run| self.obstacles.get(run).map(|why| format!("run {run}: {why}"));
        if let Some(why) = claim.runs().into_iter().find_map(of_run) {
            return Some(why);
        }
        let value = claim.verdict(&self.reports, 1).value;
        value.is_nan().then(|| "another balancer does not tell this".to_owned())
    }
}
