//! Tests with real servers: one request, one server or one operator must not harm other requests.
//!
//! The servers are those that `.ci/origins` installs. A test without its servers is reported as ignored, with
//! the reason; if the variable `ROUNDABOUT_REQUIRE_ORIGINS` is set, as in continuous integration, it fails
//! instead.
//!
//! The tests are short by default. With `ROUNDABOUT_BARS=full` they use the balancer's own time limits
//! instead of short ones, more backends and more time: about ten minutes, for figures that can be published.
//!
//! ```sh
//! .ci/origins && ROUNDABOUT_BARS=full cargo test -p e2e --test origins -- --nocapture
//! ```

mod bars;
mod busy;
mod deploy;
mod die;
mod killed;
mod quiet;
mod slow;
mod stopped;

use std::process::ExitCode;

use anyhow::Result;
use e2e::origins::{Kind, Kit};
use libtest_mimic::{Arguments, Failed, Trial};

/// A test: its name, the servers that it needs, and the function that runs it.
type Story = (&'static str, &'static [Kind], fn(Kit) -> Result<()>);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests measure, so they run one at a time.
    arguments.test_threads = Some(1);
    let insisted = std::env::var_os("ROUNDABOUT_REQUIRE_ORIGINS").is_some();
    let kit = Kit::beside(env!("CARGO_TARGET_TMPDIR"));
    let trials = stories().into_iter().map(|(name, kinds, story)| {
        let missing: Vec<String> = kinds.iter().filter_map(|kind| kit.missing(*kind)).collect();
        let missing = (!missing.is_empty()).then(|| missing.join("; "));
        let ignored = missing.is_some() && !insisted;
        // The name contains the reason, because the report has no other place for it.
        let name = match &missing {
            Some(reason) if ignored => format!("{name} ({reason})"),
            _ => name.to_owned(),
        };
        let kit = kit.clone();
        let trial = Trial::test(name, move || match missing {
            Some(reason) => Err(Failed::from(reason)),
            None => story(kit).map_err(|error| Failed::from(format!("{error:#}"))),
        });
        trial.with_ignored_flag(ignored)
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn stories() -> Vec<Story> {
    use Kind::{Go, Gunicorn, HttpServer, Node, Uvicorn, Webrick};
    vec![
        ("a_path_that_closes_takes_no_go_server_down", &[Go], |kit| run(die::at(kit, Go, 2))),
        ("a_path_that_closes_takes_no_node_server_down", &[Node], |kit| run(die::at(kit, Node, 3))),
        ("a_path_that_closes_takes_no_webrick_server_down", &[Webrick], |kit| run(die::at(kit, Webrick, 2))),
        ("a_path_that_closes_takes_no_backend_of_the_lab_down", &[], |_| run(die::in_the_lab(4))),
        ("a_path_that_closes_costs_the_others_nothing_whatever_their_number", &[Go, Node], |kit| {
            run(die::everywhere(kit))
        }),
        ("event_streams_that_fall_quiet_take_no_backend_down", &[Go, Node], |kit| run(quiet::streams(kit))),
        ("slow_posts_take_no_backend_down", &[Go, Node], |kit| run(slow::posts(kit))),
        ("malformed_answers_in_a_row_take_no_backend_down", &[Go, Node], |kit| run(slow::malformed(kit))),
        ("long_polls_at_one_backend_are_no_silence", &[Go, Node], |kit| run(quiet::polls(kit))),
        ("slow_gets_among_few_others_are_no_silence", &[Go, Node], |kit| run(slow::gets(kit))),
        ("uploads_that_are_left_after_their_answer_began_take_no_backend_down", &[Go, Node], |kit| {
            run(slow::left_uploads(kit))
        }),
        ("a_storm_of_kills_fails_no_get", &[Go, Node], |kit| run(killed::storm(kit))),
        ("a_stopped_server_is_found_under_every_policy", &[Node], |kit| {
            run(stopped::one_request_a_second(kit))
        }),
        ("a_stopped_server_is_found_under_load_and_every_policy", &[Node], |kit| {
            run(stopped::under_load(kit))
        }),
        ("a_busy_server_with_one_thread", &[HttpServer, Uvicorn, Gunicorn], |kit| run(busy::all(kit))),
        ("the_documented_way_to_deploy_loses_nothing", &[Node, Uvicorn], |kit| run(deploy::one_by_one(kit))),
    ]
}

fn run(story: impl Future<Output = Result<()>>) -> Result<()> {
    // On this thread alone: the kernel ends the servers together with the thread that started them.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(story)
}
