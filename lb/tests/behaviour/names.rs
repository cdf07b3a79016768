//! Names of backends: connections to an old address are not used when a name moves to another one, and a name
//! server or an address that does not answer delays nothing else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{Lb, NO_PINGS, Names, Upstream, eventually, ok, throughout, when};

/// Two servers on one port of two addresses: 127.0.0.1 and 127.0.0.2.
fn two_addresses() -> [Upstream; 2] {
    let first = Upstream::well("first");
    let second = Upstream::at(SocketAddr::from(([127, 0, 0, 2], first.address.port())), |_| ok("second"));
    [first, second]
}

fn url(name: &str, server: &Upstream) -> String {
    format!("http://{name}:{}", server.address.port())
}

#[test]
fn kept_connections_are_left_when_a_name_moves_to_another_address() {
    let Some(names) = Names::new("127.0.0.1 app.test") else { return };
    for flags in [&["--ping-interval=100ms", "--ping-timeout=100ms"][..], &[NO_PINGS]] {
        names.write("127.0.0.1 app.test");
        let [old, new] = two_addresses();
        let lb = Lb::spawn(names.command(), &[url("app.test", &old)], flags);
        let mut clients: Vec<_> = (0..8).map(|_| lb.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "first");
        }
        names.write("127.0.0.2 app.test");
        eventually("the name has moved", || {
            let answer = clients[0].get("/").text().to_owned();
            when(answer == "second", answer)
        });
        let asked = old.count();
        for client in &mut clients {
            for line in ["GET /", "POST /"] {
                assert_eq!(client.request(line, b"body").text(), "second", "{line}");
            }
        }
        assert_eq!(old.count(), asked, "nothing goes to the old address any more");
        old.wait_until_unconnected();
        assert_eq!((lb.states(), new.count() >= 16), (vec!["up".to_owned()], true));
    }
}

#[test]
fn connections_are_kept_while_a_name_only_gains_addresses() {
    let Some(names) = Names::new("127.0.0.2 app.test") else { return };
    let [first, second] = two_addresses();
    let flags = ["--ping-interval=100ms", "--ping-timeout=100ms"];
    let lb = Lb::spawn(names.command(), &[url("app.test", &first)], &flags);
    let mut client = lb.client();
    assert_eq!(client.get("/").text(), "second");
    // The system puts the nearer address first.
    names.write("127.0.0.2 app.test\n127.0.0.1 app.test");
    eventually("it is pinged at the other address", || when(first.accepted() > 0, first.accepted()));
    assert_eq!(client.get("/").text(), "second");
    assert_eq!(second.requests().last().unwrap().on_connection, 2);
}

#[test]
fn an_address_that_swallows_connections_does_not_hide_the_next_one() {
    let Some(names) = Names::new("127.0.0.1 app.test\n127.0.0.2 app.test") else { return };
    let [hole, well] = two_addresses();
    hole.choke();
    let lb = Lb::spawn(names.command(), &[url("app.test", &hole)], &["--ping-interval=500ms"]);
    for line in ["GET /", "POST /"] {
        let answer = lb.request(line, b"body");
        assert_eq!((answer.status, answer.text()), (200, "second"), "{line}");
    }
    eventually("it is pinged", || when(well.accepted() > 4, well.accepted()));
    assert_eq!((lb.states(), hole.count()), (vec!["up".to_owned()], 0));
}

#[test]
fn a_name_server_that_says_nothing_takes_no_backend_down() {
    let Some(names) = Names::new("127.0.0.1 app.test") else { return };
    let upstream = Upstream::well("ok");
    let flags = ["--ping-interval=100ms", "--ping-timeout=100ms", "--fall=2"];
    let mut lb = Lb::spawn(names.command(), &[url("app.test", &upstream)], &flags);
    assert_eq!(lb.get("/").status, 200);
    let events = lb.events();
    names.write("");
    throughout(Duration::from_secs(3), || assert_eq!(events.changes(), Vec::<String>::new()));
    assert_eq!(lb.get("/").status, 200);
    let begun = Instant::now();
    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(Duration::from_secs(4)), Some(0), "after {:?}", begun.elapsed());
}

#[test]
fn names_that_cannot_be_looked_up_cost_few_threads_and_delay_nothing_else() {
    let Some(names) = Names::new("127.0.0.1 app.test") else { return };
    let upstream = Upstream::well("ok");
    let hanging = (0..100).map(|n| url(&format!("hangs-{n}.test"), &upstream));
    let backends: Vec<_> = [url("app.test", &upstream)].into_iter().chain(hanging).collect();
    let flags =
        ["--ping-interval=200ms", "--ping-timeout=200ms", "--total-timeout=2s", "--connect-timeout=200ms"];
    let mut lb = Lb::spawn(names.command(), &backends, &flags);
    eventually("the others are down", || {
        let states = lb.states();
        when(states[0] == "up" && states[1..].iter().all(|state| state == "down"), states)
    });
    for _ in 0..20 {
        assert_eq!(lb.get("/").status, 200);
    }
    assert!(lb.threads() < 40, "{} threads", lb.threads());
    // A request may wait for a name. It is cut off, together with its thread.
    lb.signal(Signal::TERM);
    lb.exit_status(Duration::from_secs(4));
}

#[test]
fn a_name_that_hangs_holds_up_no_other_name_with_many_addresses() {
    let Some(names) = Names::new("127.0.0.1 app.test") else { return };
    let [first, second] = two_addresses();
    let table = |name| format!("[[backend]]\nurl = \"{}\"\nevery_address = true\n", url(name, &first));
    let config = crate::common::Config::new(&(table("hangs.test") + &table("app.test")));
    let file = format!("--config={}", config.path().display());
    let lb = Lb::spawn(names.command(), &[], &[&file, NO_PINGS]);
    let addresses = || {
        let state = lb.state();
        let backends = state["backends"].as_array().unwrap().clone();
        backends
            .iter()
            .map(|backend| backend["url"].to_string() + &backend["address"].to_string())
            .collect::<String>()
    };
    eventually("it stands for its address", || when(addresses().contains("127.0.0.1"), addresses()));
    names.write("127.0.0.1 app.test\n127.0.0.2 app.test");
    eventually("it stands for both", || when(addresses().contains("127.0.0.2"), addresses()));
    drop(second);
}
