//! Typical typing habits that the balancer does not know: the message says what to write instead.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::process::Stdio;

use crate::common::{Client, Ended, Lb, NO_PINGS, Upstream, lb_command};

const OK: &str = "--backends=http://127.0.0.1:1";

/// Runs each command line, and expects one error with all these words.
pub(crate) fn expect(table: &[(&[&str], &[&str])]) {
    let mut wrong = Vec::new();
    for (flags, words) in table {
        let ended = Ended::of(flags);
        let one_error = ended.stderr.matches("error:").count() == 1 && ended.stderr.starts_with("error: ");
        let all = words.iter().all(|word| ended.stderr.contains(word));
        if (ended.code, &ended.stdout[..], one_error, all) != (Some(2), "", true, true) {
            wrong.push(format!("{flags:?}: expected {words:?}, got {ended:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn flags_of_other_programs_are_translated() {
    expect(&[
        (&["-p", "80", OK], &["'-p' is not known", "write --port 80"]),
        (&["-p80", OK], &["write --port 80"]),
        (&["-p=80", OK], &["write --port 80"]),
        (&[OK, "-p"], &["write --port 3030"]),
        (&["-c", "lb.toml"], &["'-c' is not known", "write --config lb.toml"]),
        (&["-f", "lb.toml"], &["write --config lb.toml"]),
        (&["-b", "http://a:1"], &["write --backends http://a:1"]),
        (&["-w", "4", OK], &["write --workers 4"]),
        (&["-v", OK], &["--version", "--log-level debug"]),
        (&["-t"], &["lb check lb.toml"]),
        (&["-d", OK], &["systemd"]),
        (&["-s", "reload"], &["lb ctl reload"]),
        (&["-x", OK], &["'-x' is not known", "see lb --help"]),
        // The flags of a Go program have one hyphen.
        (&["-port", "80", OK], &["write --port 80"]),
        (&["-backends=http://a:1"], &["write --backends=http://a:1"]),
        (&["--ping_timeout", "1s", OK], &["write --ping-timeout 1s"]),
        (&["--ping_timeout=1s", OK], &["write --ping-timeout=1s"]),
        (&["--listen", "0.0.0.0:80", OK], &["write --bind 0.0.0.0 --port 80"]),
        (&["--listen=:80", OK], &["write --port 80"]),
        (&["--listen=[::1]:80", OK], &["write --bind ::1 --port 80"]),
        (&["--host=127.0.0.1", OK], &["write --bind 127.0.0.1"]),
        (&["--upstream=http://a:1"], &["write --backends=http://a:1"]),
        (&["--tls-cert=a.pem", OK], &["TLS", "not supported yet", "in front"]),
        (&["--https", OK], &["TLS", "not supported yet", "in front"]),
        (&["--token=secret", OK], &["LB_ADMIN_TOKEN", "admin_token"]),
        (&["--admin-token=secret", OK], &["LB_ADMIN_TOKEN", "admin_token"]),
        (&["--max-ejected=20%", OK], &["write max_ejected in [outlier] of the file"]),
        (&["--timeout=5s", OK], &["--total-timeout", "--response-timeout"]),
        (&["--verbose", OK], &["write --log-level debug"]),
        (&["--daemon", OK], &["systemd"]),
        (&["--backends=http://a:1", "--backends=http://b:2"], &["write --backends=http://a:1,http://b:2"]),
        (&["--port=80", "--port=81", OK], &["--port", "once"]),
        (&["check", "-c", "lb.toml"], &["write lb check lb.toml"]),
        (&["check", "-p", "80"], &["write --port 80"]),
        (&["check", "--config=lb.toml"], &["write lb check lb.toml"]),
        (&["check", "a.toml", "b.toml"], &["one file"]),
        (&["ctl", "-a", "http://127.0.0.1:1", "state"], &["write --admin http://127.0.0.1:1"]),
        (&["ctl", "drain", "1", "-w", "30s"], &["write --wait 30s"]),
        (&["ctl", "state", "-j"], &["write --json"]),
        (&["ctl", "drain", "1", "--timeout=30s"], &["write --wait=30s"]),
    ]);
}

#[test]
fn words_that_are_no_command_lead_to_what_is_meant() {
    expect(&[
        (&["start"], &["'start' is not a command", "lb --config lb.toml"]),
        (&["run", OK], &["'run' is not a command", "lb needs no command"]),
        (&["serve", "--config", "my.toml"], &["'serve' is not a command", "lb --config my.toml"]),
        (&["stop"], &["SIGTERM"]),
        (&["restart"], &["SIGTERM"]),
        (&["reload"], &["write lb ctl reload"]),
        (&["state"], &["write lb ctl state"]),
        (&["drain", "3"], &["write lb ctl drain 3"]),
        (&["status"], &["write lb ctl state"]),
        (&["validate", "my.toml"], &["write lb check my.toml"]),
        (&["test"], &["write lb check lb.toml"]),
        (&["help"], &["write lb --help"]),
        (&["version"], &["write lb --version"]),
        (&["chekc", "lb.toml"], &["write lb check lb.toml"]),
        (&["lb.toml"], &["write --config lb.toml"]),
        (&["/etc/lb"], &["write --config /etc/lb"]),
        (&["http://a:1", "http://b:2"], &["write --backends=http://a:1,http://b:2"]),
        (&["--backends", "a:1", "b:2"], &["write --backends=http://a:1,http://b:2"]),
        (&["--backends", "a", "b"], &["write --backends=http://a,http://b"]),
        (
            &["--backends", "http://a:1", "http://b:2"],
            &["commas without spaces", "--backends=http://a:1,http://b:2"],
        ),
        (
            &["--backends=http://a:1;http://b:2"],
            &["commas without spaces", "--backends=http://a:1,http://b:2"],
        ),
        (&[OK, "8080"], &["write --port 8080"]),
        (&["ctl", "status"], &["lb ctl state"]),
        (&["ctl", "list"], &["lb ctl state"]),
        (&["ctl", "enable", "1"], &["write lb ctl ready 1"]),
        (&["ctl", "disable", "1"], &["lb ctl drain 1", "lb ctl maintenance 1"]),
        (&["ctl", "rm", "1"], &["write lb ctl remove 1"]),
        (&["ctl", "stop"], &["SIGTERM"]),
        (&["ctl", "DRAIN", "1"], &["'DRAIN' is not a command", "write lb ctl drain 1"]),
        (&["ctl", "drian", "1"], &["'drian' is not a command", "write lb ctl drain 1"]),
        (&["ctl", "Status"], &["write lb ctl state"]),
        (
            &["ctl", "--admin", "http://a:1", "polcy", "random"],
            &["'polcy' is not a command", "write lb ctl --admin http://a:1 policy random"],
        ),
        (&["ctl", "--admin=http://a:1", "rm", "2"], &["write lb ctl --admin=http://a:1 remove 2"]),
        (&["ctl", "status", "--admin=http://a:1"], &["write lb ctl state --admin=http://a:1"]),
        (
            &["ctl", "--admin=http://a:1", "disable", "2"],
            &["lb ctl --admin=http://a:1 drain 2", "lb ctl --admin=http://a:1 maintenance 2"],
        ),
        (&["Drain", "1"], &["'Drain' is not a command", "write lb ctl drain 1"]),
        (&["CHECK", "my.toml"], &["'CHECK' is not a command", "write lb check my.toml"]),
        (&["Ctl", "state"], &["'Ctl' is not a command", "write lb ctl state"]),
    ]);
}

#[test]
fn addresses_are_taken_as_people_write_them_or_the_error_says_how() {
    expect(&[
        (&["--backends=http://::1:80"], &["write http://[::1]:80"]),
        (&["--backends=http://::1"], &["write http://[::1]"]),
        (&["--backends=http://fe80::1:2:8080"], &["write http://[fe80::1:2]:8080"]),
        (&["--backends=::1:80"], &["has no scheme", "write http://[::1]:80"]),
        (&["--backends=[::1]:80"], &["write http://[::1]:80"]),
        (&["--backends=a:80/app"], &["write http://a:80", "path"]),
        (&["--backends=//a:80"], &["write http://a:80"]),
        (&["--backends=http:/a:80"], &["write http://a:80"]),
        (&["--backends=http:a:80"], &["write http://a:80"]),
        (&["--backends=https://a:1"], &["https", "not supported yet", "write http://a:1"]),
        (&["--backends=https://a:1/app?q"], &["https", "write http://a:1"]),
        (&["--backends=http://a:70000"], &["port 70000", "1 to 65535"]),
        (&["--backends=http://a:0"], &["port 0", "1 to 65535"]),
        (&["--backends=http://a:-1"], &["port -1", "1 to 65535"]),
        (&["--backends=http://0.0.0.0:80/x"], &["write http://127.0.0.1:80"]),
        (&["--backends=“http://a:1”"], &["quotes", "write http://a:1"]),
        (&["--backends='http://a:1'"], &["quotes", "write http://a:1"]),
        (&["--backends=http://224.0.0.1:2300"], &["a multicast address", "write http://host:port"]),
        (&[OK, "--bind=224.0.0.1"], &["a multicast address", "write an IP address of this machine"]),
        (&[OK, "--bind=255.255.255.255"], &["the broadcast address", "127.0.0.1"]),
        (&[OK, "--admin=224.0.0.1:4030"], &["a multicast address", "127.0.0.1:4030"]),
        (&[OK, "--bind=localhost"], &["write --bind 127.0.0.1"]),
        (&[OK, "--bind=*"], &["write --bind 0.0.0.0"]),
        (&[OK, "--bind=0.0.0.0:80"], &["write --bind 0.0.0.0 --port 80"]),
        (&[OK, "--bind=[::1]:80"], &["write --bind ::1 --port 80"]),
        (&[OK, "--bind=:80"], &["write --port 80"]),
        (&[OK, "--bind=8080"], &["write --port 8080"]),
        (&[OK, "--bind=http://127.0.0.1"], &["write --bind 127.0.0.1"]),
        (&[OK, "--bind=eth0"], &["write an IP address", "127.0.0.1"]),
        (&[OK, "--port=:80"], &["write --port 80"]),
        (&[OK, "--port=127.0.0.1:80"], &["write --bind 127.0.0.1 --port 80"]),
        (&[OK, "--port=http"], &["0 to 65535"]),
        (&[OK, "--port=-1"], &["0 to 65535"]),
        (&[OK, "--admin=:4030"], &["write 127.0.0.1:4030"]),
        (&[OK, "--admin=4030"], &["write 127.0.0.1:4030"]),
        (&[OK, "--admin=http://127.0.0.1:4030"], &["write 127.0.0.1:4030"]),
        (&[OK, "--admin=localhost:4030"], &["write 127.0.0.1:4030"]),
        (&[OK, "--admin=127.0.0.1"], &["write 127.0.0.1:4030"]),
        (&[OK, "--admin=::1:4030"], &["write [::1]:4030"]),
        (&[OK, "--admin=*:4030"], &["write 0.0.0.0:4030"]),
    ]);
}

#[test]
fn the_loopback_address_of_ipv6_may_stand_in_brackets() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("no IPv6 here");
    }
    let upstream = Upstream::well("ok");
    for bind in ["::1", "[::1]"] {
        let mut child = Listening::start(&[&format!("--bind={bind}"), "--port=0"], &upstream);
        assert!(child.address.starts_with("[::1]:"), "{bind}: {}", child.address);
        assert_eq!(child.get(&child.address.clone()), "ok");
    }
    let check = Ended::of(&["check", OK, "--bind=[::1]", "--admin=[::1]:4030"]);
    assert_eq!((check.code, check.stdout.contains("[::1]:3030")), (Some(0), true), "{check:?}");
}

/// A balancer with only these flags: without those that the usual test helper adds.
struct Listening {
    child: std::process::Child,
    address: String,
}

impl Listening {
    fn start(flags: &[&str], upstream: &Upstream) -> Self {
        let mut child = lb_command()
            .arg(format!("--backends={}", upstream.url()))
            .args(flags)
            .args(["--admin=127.0.0.1:0", "--exit-with-parent", "--workers=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.strip_prefix("listening on http://").and_then(|rest| rest.split(',').next());
        Self { child, address: address.unwrap_or_else(|| panic!("{ready}")).to_owned() }
    }

    /// The answer to a `GET` over a connection to this address.
    fn get(&mut self, address: &str) -> String {
        let stream = TcpStream::connect(address).unwrap();
        let peer = stream.peer_addr().unwrap();
        drop(stream);
        Client::connect(peer).get("/").text().to_owned()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_bind_it_can_be_reached_as_the_readme_does() {
    let upstream = Upstream::well("ok");
    let mut child = Listening::start(&["--port=0"], &upstream);
    let port = child.address.rsplit(':').next().unwrap().to_owned();
    assert_eq!(child.address, format!("0.0.0.0:{port}"), "the default that the help tells");
    assert_eq!(child.get(&format!("127.0.0.1:{port}")), "ok");
    assert_eq!(child.get(&format!("localhost:{port}")), "ok", "whatever localhost stands for first");
    let help = Ended::of(&["--help"]).stdout;
    let bind = help.split("--bind").nth(1).unwrap().split("--").next().unwrap();
    assert!(bind.contains("[default: 0.0.0.0]") && bind.contains("IPv4"), "{bind}");
    let readme = std::fs::read_to_string("../README.md").unwrap();
    assert!(
        readme.contains("`0.0.0.0`") && readme.contains("--bind"),
        "the README tells the default as well"
    );
}

#[test]
fn a_client_over_ipv4_keeps_its_address_when_it_listens_on_both() {
    if TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        return eprintln!("no IPv6 here");
    }
    let upstream = Upstream::well("ok");
    let mut child = Listening::start(&["--bind=::", "--port=0"], &upstream);
    let port = child.address.rsplit(':').next().unwrap().to_owned();
    if TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        return eprintln!("net.ipv6.bindv6only is set here");
    }
    assert_eq!(child.get(&format!("127.0.0.1:{port}")), "ok");
    let client = upstream.requests()[0].head.get("x-forwarded-for").unwrap().to_owned();
    assert_eq!(client.parse::<IpAddr>().unwrap(), IpAddr::from([127, 0, 0, 1]), "{client}");
}

#[test]
fn a_file_that_cannot_be_read_says_why_and_what_to_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let missing = format!("{folder}/lb.toml");
    let below = format!("{folder}/no/lb.toml");
    let fifo = format!("{folder}/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    expect(&[
        (
            &["check", &fifo],
            &["is a named pipe", "name a regular file, and first write the output of the pipe"],
        ),
        (&["check", folder], &["is a directory", "name a regular file"]),
        (&["--config", folder], &["is a directory", "name a regular file"]),
        (&["check", &missing], &["cannot read", "no such file", "lb.example.toml"]),
        (&["check", &below], &["cannot read", "no such file"]),
        (&["check", "no\u{1b}[31m\nlb.toml"], &["cannot read no\\u{1b}[31m\\nlb.toml"]),
    ]);
}

#[test]
fn control_characters_of_a_command_line_are_shown_and_not_executed() {
    const EVIL: &str = "\u{1b}[31mred\u{9b}2J\nline\u{202e}";
    let commands: [&[&str]; 11] = [
        &[EVIL],
        &[OK, EVIL],
        &[&format!("--backends=http://{EVIL}")],
        &[&format!("--backends={EVIL}")],
        &[OK, &format!("--port={EVIL}")],
        &[OK, &format!("--bind={EVIL}")],
        &[OK, &format!("--{EVIL}")],
        &[OK, &format!("-x{EVIL}")],
        &["check", EVIL],
        &["ctl", EVIL],
        &["ctl", "drain", "1", &format!("--wait={EVIL}")],
    ];
    for command in commands {
        let ended = Ended::of(command);
        let raw = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.stderr.contains(raw), "{command:?}: {ended:?}");
        assert!(!ended.stderr.lines().any(|line| line.starts_with("line")), "{command:?}: {ended:?}");
        // Of letters that are attached to a one-letter flag, only the flag is shown.
        let shown = command.iter().any(|word| word.starts_with("-x")) || ended.stderr.contains("\\u{1b}[31m");
        assert!(shown, "{command:?}: {ended:?}");
    }
    let url = Ended::of(&["--check-health=http://127.0.0.1:1/\u{9b}"]);
    assert!(!url.stderr.contains('\u{9b}'), "{url:?}");
}

#[test]
fn what_a_file_says_is_shown_and_not_executed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.toml");
    let texts = [
        "\"\\u001b[2J\\nline\" = 1\n",
        "[[backend]]\nurl = \"http://\\u001b[2J\\nline:1\"\n",
        "[[backend]]\nurl = \"http://a:1\"\n[balance]\npolicy = \"\\u001b[2J\\u009b\\u202e\\nline\"\n",
        "# \u{9b}2J\u{202e}\n[[backend]]\nurl = 5 # \u{9b}2J\u{202e}\n",
        "name = \"\u{1b}[2J\"\n",
        "trusted_proxies = [\"\\u001b[2J\\nline\"]\n[[backend]]\nurl = \"http://a:1\"\n",
    ];
    for text in texts {
        std::fs::write(&file, text).unwrap();
        let ended = Ended::of(&["check", file.to_str().unwrap()]);
        let raw = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
        assert_eq!((ended.code, ended.stderr.contains(raw)), (Some(2), false), "{text:?}: {}", ended.stderr);
        assert!(!ended.stderr.lines().any(|line| line.starts_with("line")), "{text:?}: {}", ended.stderr);
    }
}

#[test]
fn a_secret_is_not_shown_in_whatever_language_it_is_written() {
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("lb.toml");
    let texts = [
        "admin_token: 0123456789abcdef\n",
        "{\"admin_token\": \"0123456789abcdef\"}",
        "admin_token = “0123456789abcdef”\n",
    ];
    for text in texts {
        std::fs::write(&file, text).unwrap();
        let ended = Ended::of(&["check", file.to_str().unwrap()]);
        assert_eq!((ended.code, ended.stderr.contains("0123")), (Some(2), false), "{text}: {}", ended.stderr);
    }
    for flag in
        ["--token=0123456789abcdef", "--admin-token=0123456789abcdef", "--admin_token=0123456789abcdef"]
    {
        assert!(!Ended::of(&[OK, flag]).stderr.contains("0123"), "{flag}");
    }
}

#[test]
fn a_port_that_needs_rights_says_how_to_get_them() {
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if start.trim().parse::<u16>().unwrap_or_default() < 81 {
        return eprintln!("every port is free here");
    }
    let mut command = std::process::Command::new("setpriv");
    command.args(["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]);
    command.args(["--reuid=65534", "--clear-groups", env!("CARGO_BIN_EXE_lb")]);
    command.args([OK, "--bind=127.0.0.1", "--port=80", "--admin=127.0.0.1:0"]);
    if std::process::Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("no setpriv here");
    }
    let ended = Ended::by(command);
    if ended.stderr.starts_with("setpriv") {
        return eprintln!("not root here: {}", ended.stderr);
    }
    assert_eq!((ended.code, &ended.stdout[..]), (Some(2), ""), "{ended:?}");
    for word in ["no permission to use port 80", "setcap", "systemd", "ip_unprivileged_port_start", "--port"]
    {
        assert!(ended.stderr.contains(word), "'{word}' is missing: {}", ended.stderr);
    }
}

#[test]
fn an_address_of_another_machine_says_which_to_choose() {
    let ended = Ended::of(&[OK, "--bind=192.0.2.1", "--port=0", "--admin=127.0.0.1:0"]);
    assert_eq!(ended.code, Some(2));
    for word in ["192.0.2.1", "this machine", "0.0.0.0", "--bind"] {
        assert!(ended.stderr.contains(word), "'{word}' is missing: {}", ended.stderr);
    }
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let taken = Ended::of(&[OK, &format!("--admin={}", lb.admin), "--bind=127.0.0.1", "--port=0"]);
    assert!(taken.stderr.contains("is in use") && taken.stderr.contains("--admin"), "{}", taken.stderr);
}
