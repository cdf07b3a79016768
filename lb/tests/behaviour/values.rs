//! Wrong values on the command line: the message shows the right form.

use crate::common::{Ended, lb_command};
use crate::mistakes::expect;

const OK: &str = "--backends=http://127.0.0.1:1";

#[test]
fn values_are_taken_as_people_write_them_or_the_error_says_how() {
    let rate = "--min-upload-rate";
    let proxies = "--trusted-proxies";
    expect(&[
        (&["--backends=unix:/tmp/x"], &["is a unix socket", "not supported", "write http://host:port"]),
        (&["--backends=unix:///tmp/x"], &["is a unix socket", "write http://host:port"]),
        (&["--backends=http://unix:/tmp/x"], &["is a unix socket", "write http://host:port"]),
        (&["--backends=unix@/tmp/x"], &["is a unix socket", "write http://host:port"]),
        (&["--backends=/tmp/x.sock"], &["is a unix socket", "write http://host:port"]),
        (&["--backends=unix:80"], &["has no scheme", "write http://unix:80"]),
        (&[OK, rate, "500B/s"], &["500B/s is not a size", "write 500B\n"]),
        (&[OK, rate, "10KiB/s"], &["write 10KiB\n"]),
        (&[OK, rate, "10KBps"], &["write 10KB\n"]),
        (&[OK, rate, "fast/s"], &["write 64KiB or 1MiB"]),
        (&[OK, proxies, "[::1]"], &["'[::1]' is not a network", "write ::1\n"]),
        (&[OK, proxies, "localhost"], &["write 127.0.0.1 or ::1\n"]),
        (&[OK, proxies, "127.0.0.1:80"], &["write 127.0.0.1\n"]),
        (&[OK, proxies, "10.0.0.0/255.0.0.0"], &["write 10.0.0.0/8\n"]),
        (&[OK, proxies, "*"], &["write 10.0.0.0/8, or one address"]),
        (&[OK, "--policy=leastconn"], &["write least-connections;"]),
        (&[OK, "--policy=RR"], &["write round-robin;"]),
        (&[OK, "--log-level=warning"], &["write warn;"]),
        (&["ctl", "policy", "leastconn"], &["leastconn is not known", "write least-connections;"]),
        (&["ctl", "policy", "Ring"], &["write ring;"]),
        (&["ctl", "log", "DEBUG"], &["write debug;"]),
        (&["ctl", "add", "http://a:1", "--mode=Drain"], &["write drain;"]),
        (&["ctl", "weight", "1", "-1"], &["the weight is -1", "write 0 to 1000"]),
        (&["ctl", "weight", "1", "much"], &["write 0 to 1000"]),
        (&["ctl", "add", "http://a:1", "--priority", "-1"], &["--priority is -1", "write 0 to 9"]),
        (&["ctl", "add", "http://a:1", "--max-in-flight=few"], &["write 1 to 1000000"]),
        (&["ctl", "drain", "1", "--wait", "30"], &["30 is without a unit", "30s"]),
        (&["ctl", "ready", "1", "--wait=30"], &["30 is without a unit", "30s"]),
        (&["ctl", "remove", "1", "--wait=soon"], &["write it as 250ms, 10s or 2m"]),
        (&["ctl", "drain", "1", "--wait", "-5s"], &["--wait is -5s", "write it as 250ms, 10s or 2m"]),
        (&[OK, "--port", "-1"], &["--port is -1", "write 0 to 65535"]),
        (&[OK, "--port", "-80"], &["--port is -80", "write 0 to 65535"]),
        (&[OK, "--ping-interval", "-1s"], &["--ping-interval is -1s", "write it as 250ms, 10s or 2m"]),
        (&[OK, "--name", "-1"], &["--name=-1"]),
        (&["check", OK, "--port", "-1"], &["--port is -1", "write 0 to 65535"]),
        (&[OK, "--port=3030", "--admin=0.0.0.0:3030"], &["cannot both use", "4030 for admin"]),
        (&[OK, "--port=3030", "--admin=127.0.0.1:3030"], &["127.0.0.1:3030", "same port", "4030 for admin"]),
        (&[OK, "--bind=::", "--port=4030", "--admin=127.0.0.1:4030"], &["same port", "4031 for admin"]),
        (&["check", "-"], &["standard input is not read", "name a regular file"]),
    ]);
}

#[test]
fn a_switch_takes_its_value_behind_an_equals_sign_or_not_at_all() {
    expect(&[
        (&[OK, "--via", "off"], &["'off' follows --via after a space", "write --via=false\n"]),
        (&["--access-log", "false", OK], &["write --access-log=false\n"]),
        (&[OK, "--explain", "yes"], &["write --explain=true\n"]),
        (&["check", OK, "--via", "off"], &["write --via=false\n"]),
        (&["check", "lb.toml", "--via", "off"], &["write --via=false\n"]),
        (&[OK, "--via=off"], &["write false\n"]),
        (&[OK, "--access-log=True"], &["write true\n"]),
        (&[OK, "--exit-with-parent=false"], &["takes no value", "leave --exit-with-parent out"]),
        (&[OK, "--exit-with-parent", "true"], &["takes no value", "write --exit-with-parent alone"]),
        (&["ctl", "remove", "1", "--force=true"], &["write --force alone"]),
        (&["ctl", "remove", "1", "--force", "false"], &["leave --force out"]),
        (&["ctl", "state", "--json=yes"], &["write --json alone"]),
        (&["ctl", "add", "http://a:1", "--backup", "no"], &["leave --backup out"]),
        (&["check", "--schema=true"], &["write --schema alone"]),
    ]);
    // The word after such a switch may be a backend.
    let ended = Ended::of(&["ctl", "remove", "--force", "1", "--admin=http://127.0.0.1:1"]);
    assert!(ended.stderr.contains("connection refused"), "{ended:?}");
}

#[test]
fn a_socket_that_is_handed_over_leaves_its_port_to_the_admin() {
    let check = |sockets: &str| {
        let mut command = lb_command();
        command.args(["check", OK, "--admin=127.0.0.1:3030"]);
        command.env_remove("LISTEN_FDS").envs((!sockets.is_empty()).then_some(("LISTEN_FDS", sockets)));
        Ended::by(command)
    };
    let (with, without) = (check("1"), check(""));
    assert_eq!((with.code, &with.stderr[..]), (Some(0), ""));
    assert_eq!((without.code, without.stderr.contains("same port")), (Some(2), true), "{without:?}");
}
