//! A configuration file that is being written is read when it is complete: when it has not changed for some
//! time, or when it was renamed into place.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{Config, Lb, NO_PINGS, Upstream, eventually, tables, throughout, when, within};

/// The pause of a writer in these tests: longer than a file usually must stay unchanged.
const PAUSE: Duration = Duration::from_millis(2500);

fn upstreams() -> Vec<Upstream> {
    (1..=5).map(|_| Upstream::well("ok")).collect()
}

fn file(upstreams: &[Upstream]) -> String {
    tables(upstreams.iter().map(|upstream| (upstream, "")))
}

/// A balancer with four backends from a file.
fn with_four(upstreams: &[Upstream]) -> (Config, Lb) {
    let config = Config::new(&file(&upstreams[..4]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    (config, lb)
}

fn backends(lb: &Lb) -> usize {
    lb.state()["backends"].as_array().unwrap().len()
}

fn wait_for_backends(lb: &Lb, n: usize) {
    eventually(&format!("{n} backends"), || when(backends(lb) == n, backends(lb)));
}

/// The text up to and including the second of its backends.
fn half(text: &str) -> &str {
    let third = text.match_indices("[[backend]]").nth(2).unwrap().0;
    &text[..third]
}

fn stays(lb: &Lb, n: usize) {
    throughout(PAUSE, || assert_eq!(backends(lb), n, "{}", lb.log()));
}

#[test]
fn a_writer_that_pauses_with_the_file_open_is_waited_for() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    let text = file(&upstreams);
    let mut writer = File::create(config.path()).unwrap();
    writer.write_all(half(&text).as_bytes()).unwrap();
    stays(&lb, 4);
    writer.write_all(&text.as_bytes()[half(&text).len()..]).unwrap();
    drop(writer);
    wait_for_backends(&lb, 5);
    assert!(!lb.log().contains("removed"), "{}", lb.log());
}

#[test]
fn a_writer_that_closes_the_file_in_between_is_waited_for() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    let text = file(&upstreams);
    fs::write(config.path(), half(&text)).unwrap();
    stays(&lb, 4);
    fs::write(config.path(), &text).unwrap();
    wait_for_backends(&lb, 5);
    assert!(!lb.log().contains("removed"), "{}", lb.log());
}

#[test]
fn a_writer_that_begins_with_another_file_of_the_same_name_is_waited_for() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    let text = file(&upstreams);
    fs::rename(config.path(), config.path().with_extension("backup")).unwrap();
    let mut writer = File::create(config.path()).unwrap();
    writer.write_all(half(&text).as_bytes()).unwrap();
    stays(&lb, 4);
    writer.write_all(&text.as_bytes()[half(&text).len()..]).unwrap();
    drop(writer);
    wait_for_backends(&lb, 5);
    assert!(!lb.log().contains("removed"), "{}", lb.log());
}

#[test]
fn an_emptied_file_is_no_news_while_it_is_filled_again() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    fs::write(config.path(), "").unwrap();
    stays(&lb, 4);
    fs::write(config.path(), file(&upstreams)).unwrap();
    wait_for_backends(&lb, 5);
    assert!(!lb.log().contains("configuration refused"), "{}", lb.log());
}

#[test]
fn what_is_renamed_into_place_is_taken_up_at_once() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    for n in [5, 2, 3] {
        let begun = Instant::now();
        config.write(&file(&upstreams[..n]));
        within(Duration::from_secs(5), "it is taken up", || when(backends(&lb) == n, ()));
        // A file that is not renamed must stay unchanged for at least a second.
        assert!(begun.elapsed() < Duration::from_millis(950), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_link_that_points_elsewhere_is_followed() {
    let upstreams = upstreams();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("one"), file(&upstreams[..4])).unwrap();
    fs::write(at("two"), file(&upstreams)).unwrap();
    std::os::unix::fs::symlink("one", at("lb.toml")).unwrap();
    let lb = Lb::configured(&at("lb.toml"), &[NO_PINGS]);
    std::os::unix::fs::symlink("two", at("next")).unwrap();
    fs::rename(at("next"), at("lb.toml")).unwrap();
    wait_for_backends(&lb, 5);
}

#[test]
fn a_file_that_was_written_in_place_is_taken_up_once_it_stands_still() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    fs::write(config.path(), file(&upstreams)).unwrap();
    wait_for_backends(&lb, 5);
    // A file that has become shorter looks unfinished, and takes longer.
    fs::write(config.path(), file(&upstreams[..3])).unwrap();
    wait_for_backends(&lb, 3);
}

#[test]
fn a_file_that_says_the_same_as_before_is_no_news() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    fs::write(config.path(), file(&upstreams[..4])).unwrap();
    stays(&lb, 4);
    config.write(&file(&upstreams[..4]));
    stays(&lb, 4);
    assert!(!lb.log().contains("configuration read again"), "{}", lb.log());
}

#[test]
fn a_signal_does_not_wait_for_the_file_to_stand_still() {
    let upstreams = upstreams();
    let (config, lb) = with_four(&upstreams);
    fs::write(config.path(), file(&upstreams[..3])).unwrap();
    lb.signal(Signal::HUP);
    let begun = Instant::now();
    wait_for_backends(&lb, 3);
    // The file has become shorter, and would have to stay unchanged for 5 s.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    throughout(Duration::from_millis(1500), || {
        assert_eq!(lb.log().matches("configuration read again").count(), 1, "it is not read twice");
    });
}
