//! Changes of the configuration: new settings apply, unchanged backends keep their turn and state, and errors
//! change nothing.

use rustix::process::Signal;

use crate::common::{
    Client, Config, Lb, NO_PINGS, Reply, Upstream, eventually, ok, tables, throughout, when,
};

fn upstreams() -> Vec<Upstream> {
    ["one", "two", "three"].map(Upstream::well).into()
}

fn answers(client: &mut Client, n: usize) -> Vec<String> {
    (0..n).map(|_| client.get("/").text().to_owned()).collect()
}

/// Waits until the log says that the file was read for the `nth` time.
fn wait_for_reloads(lb: &Lb, n: usize) {
    eventually(&format!("{n} reloads"), || {
        let log = lb.log();
        when(log.matches("configuration read again").count() >= n, log)
    });
}

#[test]
fn a_file_that_changes_is_taken_up_and_what_stays_keeps_its_turn() {
    let upstreams = upstreams();
    let two = || tables([(&upstreams[0], ""), (&upstreams[1], "")]);
    let config = Config::new(&two());
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let mut client = lb.client();
    assert_eq!(answers(&mut client, 3), ["one", "two", "one"]);

    config.write(&format!("{}[timeouts]\nresponse = \"5s\"\n", two()));
    wait_for_reloads(&lb, 1);
    assert_eq!(answers(&mut client, 2), ["two", "one"], "the turn did not start again");

    config.write(&tables([(&upstreams[1], ""), (&upstreams[2], "")]));
    let line = lb.wait_for_log("added");
    assert!(
        line.contains(&format!("removed {}, added {}", upstreams[0].url(), upstreams[2].url())),
        "{line}"
    );
    lb.wait_for_states(&["up", "up"]);
    let mut four = answers(&mut client, 4);
    four.sort_unstable();
    assert_eq!(four, ["three", "three", "two", "two"]);
    eventually("a number stands for one address", || {
        let state = lb.state();
        let numbers = state["backends"].as_array().unwrap().iter().map(|backend| &backend["number"]);
        when(numbers.eq([2, 3].iter()), state.clone())
    });
}

#[test]
fn a_signal_asks_for_it_as_well() {
    let config = Config::new(&tables([(&upstreams()[0], "")]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    lb.signal(Signal::HUP);
    wait_for_reloads(&lb, 1);
    lb.signal(Signal::HUP);
    wait_for_reloads(&lb, 2);
}

#[test]
fn a_wrong_file_changes_nothing_and_says_why() {
    let upstreams = upstreams();
    let config = Config::new(&tables([(&upstreams[0], "")]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    config.write(&tables([(&upstreams[1], "weight = -1")]));
    lb.wait_for_log("configuration refused, nothing changes");
    lb.wait_for_log("error: weight is -1");
    lb.wait_for_log("lb.toml:3:10");
    assert_eq!(lb.get("/").text(), "one");
    std::fs::remove_file(config.path()).unwrap();
    lb.signal(Signal::HUP);
    lb.wait_for_log("cannot read");
    assert_eq!(lb.get("/").text(), "one");
    config.write(&tables([(&upstreams[1], "weight = 1")]));
    wait_for_reloads(&lb, 1);
    assert_eq!(lb.get("/").text(), "two");
}

#[test]
fn flags_stay_in_force_and_what_needs_a_restart_says_so() {
    let upstreams = upstreams();
    let table = tables([(&upstreams[0], "")]);
    let config = Config::new(&table);
    let lb = Lb::configured(&config.path(), &[NO_PINGS, "--policy=ring", "--retries=1"]);
    config.write(&format!("workers = 7\n[balance]\npolicy = \"maglev\"\n{table}"));
    wait_for_reloads(&lb, 1);
    assert_eq!(lb.state()["policy"], "ring");
    // The flag sets the workers too.
    assert!(!lb.log().contains("only with a restart"), "{}", lb.log());
    config.write(&format!("name = \"other\"\n{table}"));
    lb.wait_for_log("name can change only with a restart; the old value stays");
}

#[test]
fn a_removed_backend_finishes_what_it_has() {
    let slow = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
            // Longer than the balancer takes to detect that the file has changed.
            std::thread::sleep(std::time::Duration::from_millis(600));
            wire.write(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
        }))
    });
    let other = Upstream::well("other");
    let config = Config::new(&tables([(&slow, "")]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    eventually("the request is there", || when(slow.count() == 1, slow.count()));
    config.write(&tables([(&other, "")]));
    wait_for_reloads(&lb, 1);
    assert_eq!(lb.get("/").text(), "other");
    let leaving = lb.state()["backends"][0].clone();
    assert_eq!((&leaving["in_flight"], &leaving["leaving"]), (&1.into(), &true.into()), "{leaving}");
    assert_eq!(client.answer().text(), "onetwo");
    eventually("it is gone", || {
        let state = lb.state();
        when(state["backends"].as_array().unwrap().len() == 1, state)
    });
    throughout(std::time::Duration::from_millis(100), || assert_eq!(slow.count(), 1));
}

#[test]
fn a_name_can_stand_for_a_backend_at_each_of_its_addresses() {
    let upstream = Upstream::well("one");
    let port = upstream.address.port();
    let config =
        Config::new(&format!("[[backend]]\nurl = \"http://localhost:{port}\"\nevery_address = true\n"));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    // The machine looks the name up, and may know one address of itself, or two.
    eventually("its addresses are backends", || {
        let state = lb.state();
        let urls: Vec<_> =
            state["backends"].as_array().unwrap().iter().map(|one| one["url"].clone()).collect();
        let literal = format!("http://127.0.0.1:{port}");
        when(
            urls.iter().any(|url| *url == *literal) && urls.iter().all(|url| url != "http://localhost"),
            urls,
        )
    });
    eventually("it answers", || when(lb.get("/").status == 200, ()));
}

#[test]
fn the_policy_can_change_while_requests_are_in_flight() {
    let slow = Upstream::new(|seen| match seen.line() {
        "GET /slow" => Reply::Take(Box::new(|mut wire| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow").unwrap();
        })),
        _ => ok("first"),
    });
    let other = Upstream::well("second");
    let file = |policy| format!("[balance]\npolicy = \"{policy}\"\n{}", tables([(&slow, ""), (&other, "")]));
    let config = Config::new(&file("round-robin"));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let mut waits = lb.client();
    waits.ask("GET /slow", b"");
    eventually("the request is there", || when(slow.count() == 1, slow.count()));
    config.write(&file("least-connections"));
    wait_for_reloads(&lb, 1);
    let mut client = lb.client();
    assert_eq!(answers(&mut client, 6), ["second"; 6], "the first has one in flight since before the change");
    assert_eq!(waits.answer().text(), "slow");
    let mut two = answers(&mut client, 2);
    two.sort_unstable();
    assert_eq!(two, ["first", "second"]);
}
