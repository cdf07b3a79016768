//! The command line: one message describes the error and its remedy.

use std::net::TcpListener;

use crate::common::{Ended, Lb, NO_PINGS, Upstream};

const OK: &str = "--backends=http://127.0.0.1:1";

#[test]
fn a_wrong_flag_ends_it_with_one_message_that_names_the_fix() {
    let table: [(&[&str], &str); 24] = [
        (&[], "--backends"),
        (&["--backends"], "--backends"),
        (&["--backends="], "name at least one: --backends=http://localhost:3031"),
        (&["--backends=localhost:3031"], "write http://localhost:3031"),
        (&["--backends=https://a:1"], "write http://a:1"),
        (&["--backends=ftp://a:1"], "write http://host:port"),
        (&["--backends=http://a:1, http://b:2"], "commas without spaces"),
        (&["--backends=http://a:1,", "http://b:2"], "commas without spaces"),
        (&["--backends=http://a:1,,http://b:2"], "remove the extra comma"),
        (&["--backends=http://a:1,http://b:2,http://a:1"], "list each backend once"),
        (&["--backends=http://a:1/app"], "write http://a:1"),
        (&["--backends=http://a:port"], "write http://host:port"),
        (
            &[OK, "--ping-interval=100ms", "--ping-timeout=200ms"],
            "make the timeout at most as long as the interval",
        ),
        (&[OK, "--ping-interval=1"], "write 1ms or 1s"),
        (&[OK, "--ping-timeout=soon"], "write it as 250ms, 10s or 2m"),
        (&[OK, "--total-timeout=0s"], "a time above zero"),
        (&[OK, "--ping-path=ready"], "begins with '/'"),
        (&[OK, "--ping-status=ok"], "status code between 100 and 599"),
        (&[OK, "--port=70000"], "0..=65535"),
        (&[OK, "--port=65000"], "add --admin="),
        (&[OK, "--workers=0"], "1..=1024"),
        (&[OK, "--log-format=xml"], "text, json"),
        (&[OK, "--backend=http://a:1"], "--backends"),
        (&[OK, "also"], "see lb --help"),
    ];
    for (flags, fix) in table {
        let ended = Ended::of(flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{flags:?}");
        assert!(ended.stderr.contains(fix), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("error:").count(), 1, "{flags:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn a_taken_port_is_reported_with_the_flag_that_chooses_another() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let taken = Ended::of(&[OK, "--bind=127.0.0.1", &format!("--port={port}"), "--admin=127.0.0.1:0"]);
    assert_eq!(taken.code, Some(2));
    assert!(
        taken.stderr.contains(&format!("port {port} is in use")) && taken.stderr.contains("--port"),
        "{taken:?}"
    );
    let admin = Ended::of(&[OK, "--bind=127.0.0.1", "--port=0", &format!("--admin=127.0.0.1:{port}")]);
    assert_eq!((admin.code, &admin.stdout[..]), (Some(2), ""));
    assert!(
        admin.stderr.contains(&format!("port {port} is in use")) && admin.stderr.contains("--admin"),
        "{admin:?}"
    );
    let foreign = Ended::of(&[OK, "--bind=192.0.2.1", "--port=0"]);
    assert_eq!(foreign.code, Some(2));
    assert!(foreign.stderr.contains("--bind"), "{}", foreign.stderr);
}

#[test]
fn help_tells_of_every_flag() {
    let help = Ended::of(&["--help"]);
    assert_eq!((help.code, &help.stderr[..]), (Some(0), ""));
    let flags = "backends port bind admin workers ping-interval ping-timeout ping-path ping-status ping-method ping-host ping-headers ping-port ping-body backend-idle rise fall silence \
                 retries retry-delay attempts replay-limit total-timeout connect-timeout response-timeout drain-time \
                 log-format access-log statistics exit-with-parent check-health help version config policy hash-by seed load-factor \
                 panic-threshold slow-start retry-budget retry-on hedge-after sticky-cookie explain outlier-errors";
    for flag in flags.split(' ') {
        assert!(help.stdout.contains(&format!("--{flag}")), "--{flag} is missing in\n{}", help.stdout);
    }
    for word in
        ["Examples:", "Signals:", "Exit status:", "[default: 3030]", "[default: 64KiB]", "/state", "/events"]
    {
        assert!(help.stdout.contains(word), "'{word}' is missing in\n{}", help.stdout);
    }
    assert!(help.stdout.lines().all(|line| line.len() <= 100), "it fits a terminal");
    let version = Ended::of(&["--version"]);
    assert_eq!(
        (version.code, &version.stdout[..]),
        (Some(0), &*format!("lb {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn it_can_ask_another_one_whether_it_is_well() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let check = |url: String| Ended::of(&[&format!("--check-health={url}")]);
    assert_eq!(check(format!("http://{}/healthz", lb.admin)).code, Some(0));
    let missing = check(format!("http://{}/nothing", lb.admin));
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("404"), "{}", missing.stderr);
    let gone = Upstream::well("gone");
    gone.stop();
    let refused = check(format!("{}/healthz", gone.url()));
    assert_eq!((refused.code, refused.stderr.is_empty()), (Some(1), false));
    let silent = Upstream::new(|_| crate::common::Reply::Silence);
    assert_eq!(check(silent.url()).code, Some(1), "its wait has a limit");
}
