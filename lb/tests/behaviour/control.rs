//! Changes at the admin port while requests continue.

use std::time::Duration;

use balance::policy::Kind;
use serde_json::{Value, json};
use strum::VariantArray;

use crate::common::{
    Config, Lb, Load, Metrics, NO_PINGS, Reply, Upstream, ctl, eventually, ok, order, tables, throughout,
    when,
};

pub(crate) const JSON: &str = "Content-Type: application/json";

/// The error in an answer of the admin port.
pub(crate) fn error(answer: &(u16, Value)) -> &str {
    answer.1["error"].as_str().unwrap()
}

/// Two upstreams that answer with their name, and a balancer in front of them.
pub(crate) fn two() -> (Upstream, Upstream, Lb) {
    let (one, two) = (Upstream::well("one"), Upstream::well("two"));
    let lb = Lb::start(&[&one, &two], &[NO_PINGS]);
    (one, two, lb)
}

/// The names of the backends that answer this number of requests, in order.
fn who(lb: &Lb, requests: usize) -> Vec<String> {
    let mut client = lb.client();
    let mut names: Vec<_> = (0..requests).map(|_| client.get("/").text().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_is_said_of_a_backend_can_be_changed() {
    let (one, _two, lb) = two();
    let mut before = order(&lb, "GET /backends/1", &json!({})).1;
    // Whether it has been pinged already depends on chance.
    let moments = ["cause", "proven"].map(|member| before.as_object_mut().unwrap().remove(member));
    assert!(moments[0].as_ref().is_some_and(|cause| cause.is_string()), "{moments:?}");
    assert!(moments[1].as_ref().is_some_and(|proven| proven.is_boolean()), "{moments:?}");
    assert_eq!(
        before,
        json!({
            "number": 1, "url": one.url(), "mode": "ready", "weight": 1, "priority": 0, "backup": false,
            "max_in_flight": null, "state": "up", "leaving": false, "in_flight": 0
        })
    );
    for (said, member, value) in [
        (json!({"weight": 5}), "weight", json!(5)),
        (json!({"mode": "maintenance"}), "mode", json!("maintenance")),
        (json!({"priority": 3, "mode": "ready"}), "priority", json!(3)),
        (json!({"backup": true}), "backup", json!(true)),
        (json!({"max_in_flight": 9}), "max_in_flight", json!(9)),
        (json!({"max_in_flight": null}), "max_in_flight", json!(null)),
    ] {
        let (status, now) = order(&lb, "PATCH /backends/1", &said);
        assert_eq!((status, &now[member]), (200, &value), "{said}");
        // A backend that comes back from maintenance is up with its first ping.
        lb.wait_for_states(&["up", "up"]);
        let later = order(&lb, "GET /backends/1", &json!({})).1;
        assert_eq!(later[member], value, "{said}: it is in force");
    }
    let url = one.url().replace("://", "%3A%2F%2F");
    let (status, now) =
        order(&lb, &format!("PATCH /backends?url={url}"), &json!({"backup": false, "priority": 0}));
    assert_eq!((status, &now["weight"], &now["backup"]), (200, &json!(5), &json!(false)), "the rest stays");
    let all = order(&lb, "GET /backends", &json!({})).1;
    assert_eq!((all.as_array().unwrap().len(), &all[0]), (2, &now));
    assert_eq!(order(&lb, "PUT /policy", &json!({"policy": "weighted-round-robin"})).0, 200);
    assert_eq!(who(&lb, 6), ["one", "one", "one", "one", "one", "two"]);
}

#[test]
fn a_drained_backend_finishes_what_it_has_and_gets_nothing_new() {
    let slow = Upstream::new(|seen| match seen.line() {
        "GET /slow" => Reply::Take(Box::new(|mut wire| {
            wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
            std::thread::sleep(Duration::from_millis(500));
            wire.write(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
        })),
        _ => ok("slow"),
    });
    let other = Upstream::well("other");
    let lb = Lb::start(&[&slow, &other], &[NO_PINGS]);
    let mut waits = lb.client();
    waits.ask("GET /slow", b"");
    eventually("it is in flight", || when(slow.count() == 1, slow.count()));
    let load = Load::of(&lb, 4);
    eventually("both have answered", || when(slow.count() > 5 && other.count() > 5, ()));

    assert_eq!(order(&lb, "PATCH /backends/1", &json!({"mode": "drain"})).1["mode"], "drain");
    eventually("the load has left", || when(lb.backend(1)["in_flight"] == 1, ()));
    let (before, answered) = (slow.count(), load.answered());
    eventually("much more is answered", || when(load.answered() > answered + 100, ()));
    assert_eq!(slow.count(), before, "it got nothing new");
    assert_eq!(waits.answer().text(), "onetwo", "and finished what it had");
    assert_eq!(order(&lb, "PATCH /backends/1", &json!({"mode": "ready"})).0, 200);
    eventually("it is back", || when(slow.count() > before + 5, ()));
    load.end();
}

#[test]
fn backends_come_and_go_under_load_and_no_client_notices() {
    let (one, third) = (Upstream::well("one"), Upstream::well("third").counting_only());
    let second = Upstream::well("second");
    let lb = Lb::start(&[&one, &second], &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    let load = Load::of(&lb, 4);
    for round in 0..20 {
        let (status, new) = order(&lb, "POST /backends", &json!({"url": third.url(), "weight": 2}));
        assert_eq!(
            (status, &new["number"], &new["weight"]),
            (201, &json!(3), &json!(2)),
            "round {round}: {new}"
        );
        let count = third.count();
        eventually("it gets requests", || when(third.count() > count, ()));
        let (status, old) = order(&lb, "DELETE /backends/3", &json!({}));
        assert_eq!((status, &old["leaving"]), (200, &json!(true)));
        if round % 2 == 0 {
            eventually("it is gone", || when(order(&lb, "GET /backends/3", &json!({})).0 == 404, ()));
        }
    }
    eventually("it has finished what it had", || {
        when(order(&lb, "GET /backends/3", &json!({})).0 == 404, ())
    });
    let (count, accepted) = (third.count(), third.accepted());
    throughout(Duration::from_millis(300), || {
        assert_eq!((third.count(), third.accepted()), (count, accepted), "nothing new, and no pings");
    });
    assert!(load.end() > 100);
    assert_eq!(lb.state()["totals"]["errors"], json!({}));
}

#[test]
fn policies_change_under_load_and_no_client_notices() {
    let (one, two, lb) = two();
    let load = Load::of(&lb, 4);
    let known = order(&lb, "GET /policy", &json!({})).1["known"].clone();
    let known = known.as_array().unwrap();
    assert_eq!(known.len(), Kind::VARIANTS.len());
    for policy in known.iter().cycle().take(60) {
        let before = load.answered();
        let (status, now) = order(&lb, "PUT /policy", &json!({ "policy": policy }));
        assert_eq!((status, &now["policy"]), (200, policy));
        assert_eq!(&lb.state()["policy"], policy);
        eventually("answers go on", || when(load.answered() > before + 10, ()));
    }
    let answered = load.end();
    assert_eq!(one.count() + two.count(), answered, "nothing was lost or sent twice");
    assert_eq!(lb.state()["totals"]["errors"], json!({}));
}

#[test]
fn every_change_is_logged_and_told_with_who_asked() {
    let (_one, _two, lb) = two();
    let events = lb.events();
    order(&lb, "PATCH /backends/2", &json!({"weight": 7, "mode": "drain"}));
    // A request that changes nothing is no change.
    order(&lb, "PATCH /backends/2", &json!({"weight": 7}));
    order(&lb, "PUT /policy", &json!({"policy": "ring"}));
    order(&lb, "POST /backends", &json!({"url": "http://127.0.0.1:1"}));
    order(&lb, "DELETE /backends/3", &json!({}));
    order(&lb, "POST /statistics/reset", &json!({}));
    order(&lb, "PUT /log", &json!({"level": "debug"}));
    order(&lb, "POST /reload", &json!({}));
    let none = || Value::Null;
    let expected = [
        (
            "backend 2 changed: weight 1 -> 7, mode ready -> drain",
            json!({"kind": "mode", "backend": 2, "mode": "drain"}),
        ),
        ("policy round-robin -> ring", json!({"kind": "policy", "policy": "ring"})),
        (
            "backend 3 added: http://127.0.0.1:1",
            json!({"kind": "added", "backend": 3, "url": "http://127.0.0.1:1"}),
        ),
        ("backend 3 removed: http://127.0.0.1:1", json!({"kind": "removed", "backend": 3})),
        ("statistics reset", none()),
        ("log level info -> debug", none()),
        ("configuration read again: the backends stay as they are", none()),
    ];
    let told = eventually("all are told", || {
        let all = events.all("control");
        when(all.len() == expected.len(), all)
    });
    for (event, (what, change)) in told.iter().zip(expected) {
        assert_eq!(event["change"], change, "{what}");
        assert_eq!((&event["what"], &event["by"]), (&json!(what), &json!("admin port, 127.0.0.1")));
        assert!(event["t"].is_u64());
        // The log is written by a separate thread.
        eventually("it is logged once", || {
            let lines = lb.log();
            when(lines.matches(&format!("{what} (by admin port, 127.0.0.1)")).count() == 1, lines)
        });
    }
}

#[test]
fn the_log_tells_as_much_as_is_asked_for() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &["--ping-interval=20ms", "--ping-timeout=20ms", "--log-level=warn"]);
    assert_eq!(order(&lb, "GET /log", &json!({})).1["level"], "warn");
    order(&lb, "PUT /log", &json!({"level": "debug"}));
    lb.wait_for_log("backend 1 pinged: connected");
    let (status, now) = order(&lb, "PUT /log", &json!({"level": "error"}));
    assert_eq!((status, &now["level"]), (200, &json!("error")));
    let quiet = lb.wait_for_log("pinged").len().min(1) + lb.log().len();
    throughout(Duration::from_millis(200), || assert!(lb.log().len() <= quiet + 200, "{}", lb.log()));
    let config = Config::new(&format!("[log]\nlevel = \"error\"\n{}", tables([(&upstream, "")])));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    config.write(&tables([(&upstream, "")]));
    lb.wait_for_log("configuration read again: changed log.level");
}

#[test]
fn a_reset_begins_the_state_anew_and_leaves_the_metrics_alone() {
    let (_one, _two, lb) = two();
    who(&lb, 10);
    // A client may have its answer before the balancer has counted all of it.
    let before = eventually("all is at rest", || {
        let state = lb.state();
        let idle = [0, 1].map(|n| state["backends"][n]["connections"]["idle"] == 1);
        // The uptime is also longer than the resolution of the clock.
        let runs = state["uptime_ms"].as_u64() > Some(20);
        when(state["totals"]["in_flight"] == 0 && idle == [true; 2] && runs, state)
    });
    assert_eq!((&before["totals"]["requests"], &before["backends"][0]["picks"]), (&json!(10), &json!(5)));
    assert_eq!(order(&lb, "POST /statistics/reset", &json!({})).0, 200);
    let after = lb.state();
    assert_eq!((&after["totals"]["requests"], &after["backends"][0]["picks"]), (&json!(0), &json!(0)));
    assert_eq!(
        (&after["totals"]["bytes"]["sent"], &after["totals"]["status"]["2xx"]),
        (&json!(0), &json!(0))
    );
    assert!(after["counting_ms"].as_u64() < after["uptime_ms"].as_u64(), "{after}");
    assert_eq!(after["backends"][0]["connections"]["idle"], before["backends"][0]["connections"]["idle"]);
    who(&lb, 4);
    assert_eq!(lb.state()["totals"]["requests"], 4);
    assert_eq!(Metrics::of(lb.admin).get("roundabout_requests_total", &[]), 14.0);
}

#[test]
fn a_reload_says_what_it_changed_or_all_that_is_wrong() {
    let (one, two) = (Upstream::well("one"), Upstream::well("two"));
    let config = Config::new(&tables([(&one, "")]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS, "--policy=random"]);
    let file = format!(
        "workers = 9\nname = \"x\"\n[health]\nrise = 7\nfall = 3\n{}",
        tables([(&one, ""), (&two, "")])
    );
    config.write(&file);
    // The file is also checked several times a second: the first of the two applies the changes.
    let (status, told) = order(&lb, "POST /reload", &json!({}));
    assert_eq!((status, &told["after_restart"]), (200, &json!(["name"])), "{told}");
    let line = lb.wait_for_log("configuration read again: changed health.rise; ");
    assert!(line.contains(&format!("added {}", two.url())), "{line}");

    config.write(&format!("nmae = 1\n{}", tables([(&one, "weight = -1")])));
    let refused = order(&lb, "POST /reload", &json!({}));
    assert_eq!(refused.0, 422);
    for words in ["write name", "weight is -1", "lb.toml:1:1", "lb.toml:4:10"] {
        assert!(error(&refused).contains(words), "{words}: {}", error(&refused));
    }
    assert_eq!(lb.state()["backends"].as_array().unwrap().len(), 2, "nothing has changed");
}

#[test]
fn what_was_changed_by_hand_stays_until_the_file_says_something_else_of_it() {
    let (one, two) = (Upstream::well("one"), Upstream::well("two"));
    let file = |more: &str| format!("{more}\n{}", tables([(&one, ""), (&two, "")]));
    let config = Config::new(&file(""));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    order(&lb, "PUT /policy", &json!({"policy": "least-connections"}));
    order(&lb, "PATCH /backends/1", &json!({"mode": "drain"}));
    order(&lb, "POST /backends", &json!({"url": "http://127.0.0.1:1", "mode": "maintenance"}));
    config.write(&file("[health]\nrise = 5"));
    lb.wait_for_log("changed health.rise");
    let state = lb.state();
    assert_eq!(
        (&state["policy"], &state["backends"][0]["mode"]),
        (&json!("least-connections"), &json!("drain"))
    );
    assert_eq!(state["backends"][2]["mode"], "maintenance");
    config.write(&file("[balance]\npolicy = \"random\""));
    lb.wait_for_log("changed balance.policy");
    assert_eq!((&lb.state()["policy"], &lb.backend(1)["mode"]), (&json!("random"), &json!("drain")));
}

#[test]
fn the_last_backend_is_removed_only_by_force() {
    let (one, two, lb) = two();
    assert_eq!(order(&lb, "DELETE /backends/2", &json!({})).0, 200);
    let refused = order(&lb, "DELETE /backends/1", &json!({}));
    assert_eq!(refused.0, 409);
    for words in ["the last one", "?force=true", "lb ctl remove 1 --force"] {
        assert!(error(&refused).contains(words), "{words}: {}", error(&refused));
    }
    assert_eq!(lb.get("/").text(), "one", "it is still there");
    let refused = order(&lb, "DELETE /backends/1?force=yes", &json!({}));
    assert_eq!((refused.0, error(&refused)), (400, "force is yes; write force=true"));
    let url = one.url().replace("://", "%3A%2F%2F");
    assert_eq!(order(&lb, &format!("DELETE /backends?url={url}"), &json!({})).0, 409);
    assert_eq!(order(&lb, &format!("DELETE /backends?url={url}&force=true"), &json!({})).0, 200);
    assert_eq!(lb.get("/").status, 503);
    // To remove a backend that is already leaving changes nothing.
    assert!([200, 404].contains(&order(&lb, "DELETE /backends/1", &json!({})).0));

    // A backend that gets requests counts, and one in maintenance does not.
    order(&lb, "POST /backends", &json!({"url": two.url()}));
    order(&lb, "POST /backends", &json!({"url": one.url(), "mode": "maintenance"}));
    assert_eq!(order(&lb, "DELETE /backends/2", &json!({})).0, 409);
    assert_eq!(order(&lb, "DELETE /backends/1", &json!({})).0, 200);
}

#[test]
fn lb_ctl_removes_the_last_backend_only_by_force() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let refused = ctl(&lb, &["remove", "1"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("lb ctl remove 1 --force"), "{}", refused.stderr);
    let removed = ctl(&lb, &["remove", &upstream.url(), "--force", "--wait", "5s"]);
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    assert_eq!(lb.get("/").status, 503);
}

/// A reload names only what differs between two versions of the file, so it undoes no change by hand to
/// anything else.
#[test]
fn a_reload_changes_only_what_differs_between_the_old_file_and_the_new_one() {
    let upstreams = ["one", "two", "three"].map(Upstream::well);
    let file = |limit: u32, weight: u32| {
        let weight = format!("weight = {weight}");
        let [one, two, three] = &upstreams;
        format!("[queues]\nbackend_limit = {limit}\n{}", tables([(one, &weight[..]), (two, ""), (three, "")]))
    };
    let config = Config::new(&file(7, 1));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    for (line, body) in [
        ("PATCH /backends/1", json!({"mode": "drain"})),
        ("PATCH /backends/2", json!({"mode": "maintenance", "weight": 9})),
        ("DELETE /backends/3?force=true", json!({})),
    ] {
        assert_eq!(order(&lb, line, &body).0, 200, "{line}");
    }
    let settings = || {
        let summary = |number| order(&lb, &format!("GET /backends/{number}"), &json!({})).1;
        [1, 2].map(summary).map(|it| json!([it["mode"], it["weight"], it["max_in_flight"]]))
    };
    config.write(&file(8, 1));
    let line = lb.wait_for_log("changed queues.backend_limit");
    assert_eq!(settings(), [json!(["drain", 1, 8]), json!(["maintenance", 9, 8])]);
    assert!(!line.contains(&upstreams[2].url()), "it was removed by hand: {line}");
    config.write(&file(8, 3));
    let expected = [json!(["drain", 3, 8]), json!(["maintenance", 9, 8])];
    eventually("the weight", || when(settings() == expected, settings()));
}

#[test]
fn the_next_backend_with_a_number_does_not_get_the_connections_of_the_last_one() {
    let (one, _two, lb) = two();
    who(&lb, 4);
    eventually("both keep a connection", || {
        let state = lb.state();
        let idle = [0, 1].map(|n| state["backends"][n]["connections"]["idle"] == 1);
        when(idle == [true; 2], state.clone())
    });
    let next = Upstream::well("next");
    assert_eq!(order(&lb, "DELETE /backends/1", &json!({})).0, 200);
    eventually("number 1 is free", || when(lb.state()["backends"].as_array().unwrap().len() == 1, ()));
    assert_eq!(order(&lb, "POST /backends", &json!({ "url": next.url() })).0, 201);
    // The worker closes the connections to a removed backend within its next second.
    one.wait_until_unconnected();
    lb.wait_for_states(&["up", "up"]);
    who(&lb, 4);
    eventually("the new backend counts its own connection", || {
        let connections = &lb.backend(1)["connections"];
        when(connections["opened"] == 1 && connections["idle"] == 1, connections.clone())
    });
}
