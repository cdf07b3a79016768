//! Load reports: what a backend says about its load in the head of its answers, and what the balancer makes
//! of it.

use std::time::Duration;

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, when, within};

/// A backend that writes this value in each answer.
fn reporting(name: &'static str, value: &'static str) -> Upstream {
    Upstream::new(move |_| {
        let length = name.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: {value}\r\nContent-Length: {length}\r\n\r\n{name}"
        );
        Reply::Bytes(head.into())
    })
}

fn answers_of(client: &mut Client, name: &str, n: usize) -> usize {
    (0..n).filter(|_| client.get("/").text() == name).count()
}

#[test]
fn turns_follow_the_reports_after_ten_seconds() {
    let idle = reporting("idle", "TEXT cpu_utilization=0.2, rps_fractional=30");
    let busy = reporting("busy", r#"JSON {"cpuUtilization": 0.6, "rpsFractional": 30}"#);
    let lb = Lb::start(&[&idle, &busy], &[NO_PINGS, "--policy=reported"]);
    let mut client = lb.client();
    assert_eq!(answers_of(&mut client, "idle", 8), 4, "at first, all are equal");
    let weights = || [1, 2].map(|number| lb.backend(number)["reported_weight"].as_f64());
    assert_eq!(weights(), [None, None]);
    within(Duration::from_secs(20), "three of four turns for the idle backend", || {
        let idle = answers_of(&mut client, "idle", 40);
        when(idle == 30, idle)
    });
    let [one, other] = weights().map(|weight| weight.expect("it has reported for ten seconds"));
    assert!((one - 150.0).abs() < 1e-6 && (other - 50.0).abs() < 1e-6, "{one}, {other}");
}

#[test]
fn a_bad_report_is_counted_and_goes_on_to_the_client() {
    let backend = reporting("odd", "TEXT cpu_utilization=-1, rps_fractional=30");
    let lb = Lb::start(&[&backend], &[NO_PINGS, "--policy=reported"]);
    let mut client = lb.client();
    let answer = client.get("/");
    let header = answer.head.get("endpoint-load-metrics");
    assert_eq!((answer.status, header), (200, Some("TEXT cpu_utilization=-1, rps_fractional=30")));
    client.get("/");
    assert_eq!(lb.backend(1)["ignored_reports"], 2);
}

#[test]
fn other_policies_read_no_reports() {
    let backend = reporting("odd", "nonsense");
    let lb = Lb::start(&[&backend], &[NO_PINGS]);
    assert_eq!(lb.client().get("/").status, 200);
    assert_eq!(lb.backend(1)["ignored_reports"], 0);
}
