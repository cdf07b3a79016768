//! Policies for teaching, old loads, and subsets of the backends, seen from outside.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Client, Ended, Lb, NO_PINGS, Reply, Seen, Upstream, eventually, ok, order, when};

fn upstreams() -> Vec<Upstream> {
    ["one", "two", "three", "four"].map(Upstream::well).into()
}

fn start(upstreams: &[Upstream], flags: &[&str]) -> Lb {
    Lb::start(&upstreams.iter().collect::<Vec<_>>(), &[&[NO_PINGS], flags].concat())
}

/// The explanation of one request.
fn explained(lb: &Lb) -> Value {
    let answer = lb.client().send("GET / HTTP/1.1\r\nHost: test.example\r\nX-Lb-Explain: 1\r\n\r\n").answer();
    let id = answer.head.get("x-lb-explain").expect("a name").to_owned();
    serde_json::from_slice(&Client::connect(lb.admin).get(&format!("/explain/{id}")).body).unwrap()
}

#[test]
fn a_policy_for_teaching_needs_the_flag() {
    let backends = "--backends=http://localhost:3031";
    for (flags, words) in [
        (&["--policy=skip-dead"][..], "policy is skip-dead, a policy for teaching"),
        (&["--load-view-delay=1s"], "load-view-delay is for teaching"),
    ] {
        let ended = Ended::of(&[&["check", backends], flags].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains(words), "{ended:?}");
        assert!(ended.stderr.contains("set teaching to true as well"), "{ended:?}");
    }
    let upstreams = upstreams();
    let put = |lb: &Lb| order(lb, "PUT /policy", &json!({"policy": "mutant-3"}));
    let (status, told) = put(&start(&upstreams, &[]));
    assert_eq!(status, 400);
    assert!(told["error"].as_str().unwrap().contains("a policy for teaching"), "{told}");
    let (status, told) = put(&start(&upstreams, &["--teaching"]));
    assert_eq!((status, &told["policy"]), (200, &json!("mutant-3")));
    assert!(!told["known"].as_array().unwrap().contains(&json!("mutant-3")), "{told}");
}

#[test]
fn the_neighbour_of_a_dead_backend_inherits_its_turns_under_skip_dead() {
    let upstreams = upstreams();
    upstreams[1].stop();
    let lb = start(&upstreams, &["--teaching", "--policy=skip-dead"]);
    let mut client = lb.client();
    // The first request that finds the port closed takes the backend down, and goes to another one.
    eventually("down", || {
        client.get("/");
        let states = lb.states();
        when(states[1] == "down", states)
    });
    let count = || [0, 2, 3].map(|index: usize| upstreams[index].count());
    let before = count();
    for _ in 0..40 {
        assert_eq!(client.get("/").status, 200);
    }
    let after = count();
    assert_eq!([0, 1, 2].map(|index| after[index] - before[index]), [10, 20, 10]);
}

#[test]
fn with_a_delay_the_policy_sees_old_loads() {
    for (flags, scores) in [
        (&["--policy=least-connections"][..], [2.0, 2.0]),
        (&["--policy=least-connections", "--teaching", "--load-view-delay=1h"], [1.0, 1.0]),
    ] {
        let upstreams: Vec<_> = (0..2)
            .map(|_| {
                let wait = |seen: &Seen| match seen.line().contains("/wait") {
                    true => Reply::Silence,
                    false => ok("well"),
                };
                Upstream::new(wait)
            })
            .collect();
        let lb = start(&upstreams, &[&["--explain"], flags].concat());
        let mut waiting: Vec<_> = (0..2).map(|_| lb.client()).collect();
        for client in &mut waiting {
            client.send("GET /wait HTTP/1.1\r\nHost: test.example\r\n\r\n");
        }
        let is_there = || when(upstreams.iter().all(|one| one.count() == 1), ());
        eventually("one request waits at each", is_there);
        let told = explained(&lb);
        let candidates = told["decisions"][0]["candidates"].as_array().unwrap();
        let seen: Vec<_> = candidates.iter().map(|one| one["score"].as_f64().unwrap()).collect();
        assert_eq!(seen, scores, "{told}");
        assert!(candidates.iter().all(|one| one["in_flight"] == 1), "the present is told too: {told}");
    }
}

#[test]
fn requests_with_one_key_use_their_subset_and_fail_with_it() {
    let upstreams = upstreams();
    let lb = start(&upstreams, &["--subset=2", "--hash-by=header:x-user"]);
    let get = |user: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: test.example\r\nX-User: {user}\r\n\r\n");
        lb.client().send(request).answer()
    };
    let of = |user: &str| (0..8).map(|_| get(user).text().to_owned()).collect::<BTreeSet<_>>();
    let subset = of("ann");
    assert_eq!(subset.len(), 2, "{subset:?}");
    let names = ["one", "two", "three", "four"];
    let other = (0..).map(|n| format!("user-{n}")).find(|user| of(user).is_disjoint(&subset)).unwrap();
    for (upstream, name) in upstreams.iter().zip(names) {
        if subset.contains(name) {
            upstream.stop();
        }
    }
    assert_eq!(get("ann").status, 503, "both of its backends are down");
    assert_eq!(get(&other).status, 200, "the others are not its business");
}
