//! Policies, seen from outside: keys, cookies, weights, modes, and the rules of outliers and retries.

use std::collections::{BTreeMap, HashMap};

use crate::common::{Client, Config, Ended, Lb, NO_PINGS, Reply, Upstream, ok, tables};

fn upstreams() -> Vec<Upstream> {
    ["one", "two", "three", "four"].map(Upstream::well).into()
}

fn start(upstreams: &[Upstream], flags: &[&str]) -> Lb {
    let all: Vec<_> = upstreams.iter().collect();
    Lb::start(&all, &[&[NO_PINGS], flags].concat())
}

/// One request with its own header.
fn get(client: &mut Client, header: &str) -> crate::common::Answer {
    client.send(format!("GET / HTTP/1.1\r\nHost: test.example\r\n{header}\r\n\r\n")).answer()
}

fn shares(client: &mut Client, n: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    (0..n).for_each(|_| *shares.entry(client.get("/").text().to_owned()).or_default() += 1);
    shares
}

#[test]
fn the_same_key_goes_to_the_same_backend_over_any_connection() {
    let upstreams = upstreams();
    for policy in ["ring", "bounded-ring", "maglev", "rendezvous", "score", "affinity"] {
        let lb = start(&upstreams, &[&format!("--policy={policy}"), "--hash-by=header:x-user"]);
        let mut homes = HashMap::new();
        for round in 0..3 {
            let mut client = lb.client();
            for user in 0..20 {
                let at = get(&mut client, &format!("X-User: {user}")).text().to_owned();
                let home = homes.entry(user).or_insert_with(|| at.clone());
                assert_eq!(*home, at, "{policy}: user {user} in round {round}");
            }
        }
        let used: std::collections::HashSet<_> = homes.values().collect();
        assert!(used.len() > 1, "{policy}: {homes:?}");
    }
}

#[test]
fn keys_are_taken_from_where_they_are_said_to_be() {
    let upstreams = upstreams();
    let at = |lb: &Lb, target: &str, header: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n{header}\r\n");
        lb.client().send(request).answer().text().to_owned()
    };
    let lb = start(&upstreams, &["--policy=maglev", "--hash-by=path"]);
    assert!((0..10).all(|n| at(&lb, &format!("/a?{n}"), "") == at(&lb, "/a", "")));
    let lb = start(&upstreams, &["--policy=maglev", "--hash-by=cookie:id"]);
    let ann = at(&lb, "/", "Cookie: x=1; id=ann\r\n");
    assert!((0..10).all(|n| at(&lb, &format!("/{n}"), &format!("Cookie: id=ann; x={n}\r\n")) == ann));
    let lb = start(&upstreams, &["--policy=ring"]);
    assert!((0..10).all(|n| at(&lb, &format!("/{n}"), "") == at(&lb, "/", "")), "all from one address");
}

#[test]
fn a_cookie_leads_back_home_until_home_is_gone() {
    let upstreams = upstreams();
    let lb = start(&upstreams, &["--sticky-cookie=home"]);
    let mut client = lb.client();
    let first = client.get("/");
    let told = first.head.get("set-cookie").expect("a cookie").to_owned();
    let cookie = format!("Cookie: {}", told.split(';').next().unwrap());
    for _ in 0..8 {
        let again = get(&mut client, &cookie);
        assert_eq!((again.text(), again.head.get("set-cookie")), (first.text(), None));
    }
    let home = upstreams.iter().position(|upstream| upstream.count() == 9).expect("one has them all");
    upstreams[home].stop();
    let moved = get(&mut client, &cookie);
    assert_eq!(moved.status, 200);
    assert_ne!(moved.text(), first.text());
    assert!(moved.head.get("set-cookie").is_some_and(|new| *new != told), "it is told its new home");
    assert_eq!(get(&mut client, "Cookie: home=nonsense").status, 200);
}

#[test]
fn weights_and_modes_come_from_the_file() {
    let upstreams = upstreams();
    let said = ["weight = 3", "weight = 1", "mode = \"drain\"", "backup = true"];
    let file =
        format!("[balance]\npolicy = \"weighted-round-robin\"\n{}", tables(upstreams.iter().zip(said)));
    let config = Config::new(&file);
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let mut client = lb.client();
    let order: Vec<_> = (0..8).map(|_| client.get("/").text().to_owned()).collect();
    assert_eq!(order, ["one", "one", "two", "one", "one", "one", "two", "one"]);
    upstreams[0].stop();
    upstreams[1].stop();
    for _ in 0..4 {
        assert_eq!(lb.client().get("/").text(), "four", "the backup is left");
    }
}

#[test]
fn a_backends_own_limit_is_kept_and_the_rest_waits() {
    let slow = Upstream::new(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        ok("slow")
    });
    let file = format!("[queues]\nqueue = 2\n{}", tables([(&slow, "max_in_flight = 1")]));
    let config = Config::new(&file);
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let began = std::time::Instant::now();
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(|| lb.get("/").status)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert!((3..6).contains(&answered), "one there, two in the queue, the others refused: {statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(began.elapsed() >= std::time::Duration::from_millis(150), "one after the other");
}

#[test]
fn a_black_hole_is_ejected() {
    let failing = Upstream::new(|_| Reply::Bytes(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno".to_vec()));
    let well = upstreams();
    let lb = Lb::start(
        &[&failing, &well[0], &well[1], &well[2]],
        &[NO_PINGS, "--policy=least-connections", "--outlier-errors=5"],
    );
    let mut client = lb.client();
    let failed = (0..200).filter(|_| client.get("/").status == 500).count();
    assert_eq!(failed, 5);
    assert_eq!(lb.states(), ["ejected", "up", "up", "up"]);
    lb.wait_for_log("backend 1 ejected: 5 errors in a row: ejected for 30 s");
}

#[test]
fn a_budget_bounds_the_retries_of_all_requests_together() {
    let closing = Upstream::new(|_| Reply::Last(Vec::new()));
    let others: Vec<_> = (0..3).map(|_| Upstream::new(|_| Reply::Last(Vec::new()))).collect();
    // All go down at once, and in panic mode this is ignored.
    let flags = ["--retry-budget=20%", "--retries=0", "--panic-threshold=100%"];
    let lb = Lb::start(&[&closing, &others[0], &others[1], &others[2]], &[&[NO_PINGS], &flags[..]].concat());
    let all = || std::iter::once(&closing).chain(&others);
    let tries = || all().map(|upstream| upstream.count_of("GET /")).sum::<usize>();
    let mut client = lb.client();
    let answers = 1000;
    for _ in 0..answers {
        let answer = client.get("/");
        assert_eq!(answer.status, 502, "{}", answer.text());
    }
    // A fifth, and the reserve of ten a second over ten seconds; without a budget, each request has three.
    let most = answers + answers / 5 + 100;
    assert!((answers + 100..=most).contains(&tries()), "{} tries for {answers} requests", tries());
}

#[test]
fn an_unknown_policy_is_told_those_there_are() {
    let ended = Ended::of(&["--backends=http://localhost:1", "--policy=leastconn"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("least-connections"), "{}", ended.stderr);
}

#[test]
fn the_same_seed_makes_the_same_draws() {
    let upstreams: Vec<_> =
        ["one", "two", "three", "four"].map(|name| Upstream::new(move |_| ok(name))).into();
    let run = || {
        let lb = start(&upstreams, &["--policy=random", "--seed=7", "--workers=1"]);
        let mut client = lb.client();
        let shares = shares(&mut client, 20);
        let order: Vec<_> = (0..20).map(|_| client.get("/").text().to_owned()).collect();
        (shares, order)
    };
    assert_eq!(run(), run());
}
