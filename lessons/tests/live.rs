//! Lessons on real processes: the figures of a live run are those that its setup implies.

use std::collections::BTreeMap;
use std::rc::Rc;

use lessons::live::Stage;
use lessons::{Figures, Lesson, Place, Reports};

const LESSON: &str = r#"
title = "Live"
question = "?"
choices = ["a", "b"]
answer = 1
watch = "w"
hint = "h"
explain = "e"
sources = []
[setup]
seed = 1
requests = 300
servers = [{ count = 3, workers = "unlimited" }]
balancer = { attempts = 1, retries = 0 }
arrivals = { even = 300 }
service = { fixed = "5ms" }
[live]
[[run]]
name = "even"
policy = "round-robin"
[[run]]
name = "killed"
policy = "round-robin"
only = "live"
change = { fault = [{ at = "500ms", kind = "kill", backend = 2 }, { at = "700ms", kind = "start", backend = 2 }] }
[[run]]
name = "weights"
policy = "weighted-round-robin"
change = { servers = [{ count = 1, weight = 4 }, { count = 2 }] }
[[claim]]
says = "each backend gets 100"
what = "most_picks(even) - fewest_picks(even)"
exact = 0
counter = { even = "weights" }
[[claim]]
says = "a kill is seen"
what = "changes(killed, 2)"
at_least = 1
counter = { killed = "even" }
"#;

/// Runs everything live.
async fn live(lesson: &Lesson) -> anyhow::Result<Reports<'_>> {
    let mut reports = Reports::new();
    for (name, plan) in lesson.plans(false) {
        let figures: Rc<dyn Figures> = Rc::new(Stage::start(plan, lesson.seed()).await?.play().await?);
        reports.insert(name, figures);
    }
    Ok(reports)
}

#[tokio::test]
async fn a_live_run_has_the_figures_of_its_setup() {
    let lesson = Lesson::parse(LESSON).unwrap();
    assert_eq!(lesson.runs(Place::Virtual), ["even", "weights"]);
    let (virtual_reports, live_reports) = (lesson.run(lesson.seed()).unwrap(), live(&lesson).await.unwrap());
    let of: BTreeMap<_, _> = live_reports.iter().collect();

    // What does not depend on times is the same in both.
    for reports in [&virtual_reports, &live_reports] {
        let picks =
            |run: &str| reports[run].backends().iter().map(|backend| backend.picks).collect::<Vec<_>>();
        assert_eq!(picks("even"), [100, 100, 100]);
        assert_eq!(picks("weights"), [200, 50, 50]);
        assert_eq!((reports["even"].calls(), reports["even"].good()), (300, 300));
        assert_eq!(reports["even"].changes().unwrap(), []);
    }
    let even = of[&"even"];
    assert!(even.mean().as_millis() >= 5 && even.quantile(1.0) >= even.quantile(0.5), "{:?}", even.mean());
    assert_eq!(even.answers(0.0..f64::INFINITY), [100, 100, 100]);
    let all = even.between(0.0..f64::INFINITY);
    assert_eq!((all.offered, all.good), (300, 300));
    // 100 requests of 5 ms or more in about a second.
    assert!(even.backends()[0].in_flight >= 0.3, "{:?}", even.backends());

    // A kill fails what is in flight, and the balancer tells its changes.
    let killed = of[&"killed"];
    let changes = killed.changes().unwrap();
    assert!(changes.iter().all(|(_, backend)| *backend == 2) && !changes.is_empty(), "{changes:?}");
    assert!(changes[0].0.as_millis() >= 450, "{changes:?}");
    assert!((280..=300).contains(&killed.good()), "{}", killed.good());

    for claim in lesson.claims(Place::Live) {
        let verdict = claim.live_verdict(&live_reports, 1, false);
        assert!(verdict.holds(), "{}: {verdict:?}", claim.says);
        assert!(!claim.counter_verdict(&live_reports, 1).holds(), "{}", claim.says);
    }
    assert_eq!(lesson.claims(Place::Virtual).len(), 1);
}

#[tokio::test]
async fn what_a_balancer_refuses_is_said() {
    let wrong = LESSON
        .replace("only = \"live\"", "only = \"live\"\nlive = { lb = { hedging = { before = \"1s\" } } }");
    let lesson = Lesson::parse(&wrong).unwrap();
    let (_, plan) = lesson.plans(false).find(|(name, _)| *name == "killed").unwrap();
    let error = Stage::start(plan, 1).await.unwrap_err();
    assert!(format!("{error:#}").contains("before"), "{error:#}");
}
