//! Several addresses for clients: one balancer serves all of them, and ends at all of them.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use crate::common::{Client, Config, Ended, Lb, NO_PINGS, PATIENCE, Upstream, lb_command, tables};

/// Two listeners on free ports, in front of one upstream.
fn file(upstream: &Upstream) -> Config {
    let listeners = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"[::1]:0\"\n";
    Config::new(&format!("admin = \"127.0.0.1:0\"\n{listeners}{}", tables([(upstream, "")])))
}

/// The addresses for clients, from the first line on standard output.
fn addresses(lb: &Lb) -> Vec<SocketAddr> {
    let (clients, _) = lb.ready.trim().split_once(", admin on ").unwrap();
    let urls = clients.trim_start_matches("listening on ").split(", ");
    urls.map(|url| url.trim_start_matches("http://").parse().unwrap()).collect()
}

#[test]
fn each_listener_is_served_to_its_last_client() {
    let upstream = Upstream::well("ok");
    let config = file(&upstream);
    let mut lb = Lb::at_its_addresses(&config.path(), &[NO_PINGS]);
    let addresses = addresses(&lb);
    let [one, other] = addresses[..] else { panic!("{}", lb.ready) };
    assert!(one.is_ipv4() && other.is_ipv6() && one.port() != other.port(), "{}", lb.ready);
    for address in [one, other, other, one] {
        assert_eq!(Client::connect(address).get("/").text(), "ok", "at {address}");
    }
    assert_eq!(lb.state()["listen"], format!("{one}, {other}"));

    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
    for address in [one, other] {
        assert!(std::net::TcpStream::connect(address).is_err(), "{address} is closed");
    }
}

#[test]
fn clients_of_one_listener_do_not_wait_for_those_of_another() {
    let upstream = Upstream::well("ok");
    let config = file(&upstream);
    let lb = Lb::at_its_addresses(&config.path(), &[NO_PINGS, "--workers=1"]);
    let addresses = addresses(&lb);
    // Many connections wait at the first listener when one comes to the second.
    let many: Vec<_> = (0..200).map(|_| Client::connect(addresses[0])).collect();
    assert_eq!(Client::connect(addresses[1]).get("/").text(), "ok");
    for mut client in many {
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn a_supervisor_passes_a_socket_for_each_listener() {
    let upstream = Upstream::well("ok");
    let config = file(&upstream);
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let expected = held.each_ref().map(|socket| socket.local_addr().unwrap());
    let mut command = lb_command();
    command.arg(format!("--config={}", config.path().display())).env("LISTEN_FDS", "2");
    let mappings = held.into_iter().zip(3..);
    let mappings =
        mappings.map(|(socket, child_fd)| FdMapping { parent_fd: OwnedFd::from(socket), child_fd });
    command.fd_mappings(mappings.collect()).unwrap();
    let lb = Lb::run(command, &[NO_PINGS]);
    assert_eq!(addresses(&lb), expected);
    for address in expected {
        assert_eq!(Client::connect(address).get("/").text(), "ok", "at {address}");
    }
}

#[test]
fn a_flag_that_replaces_the_sections_is_named_if_the_sockets_do_not_fit() {
    let upstream = Upstream::well("ok");
    let config = file(&upstream);
    for flag in ["--port=0", "--bind=127.0.0.1"] {
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut command = lb_command();
        command.arg(format!("--config={}", config.path().display())).arg(flag).env("LISTEN_FDS", "2");
        let mappings = held.into_iter().zip(3..);
        let mappings =
            mappings.map(|(socket, child_fd)| FdMapping { parent_fd: OwnedFd::from(socket), child_fd });
        command.fd_mappings(mappings.collect()).unwrap();
        let ended = Ended::by(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let (name, _) = flag.split_once('=').unwrap();
        for words in
            [format!("{name} stands in place of all [[listener]] sections"), format!("leave out {name}")]
        {
            assert!(ended.stderr.contains(&words), "'{words}' is missing: {}", ended.stderr);
        }
    }
}

#[test]
fn a_listener_whose_port_is_taken_is_named_by_its_section() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let upstream = Upstream::well("ok");
    let listeners =
        format!("[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:{port}\"\n");
    let config = Config::new(&format!("admin = \"127.0.0.1:0\"\n{listeners}{}", tables([(&upstream, "")])));
    let ended = Ended::of(&["--config", &config.path().display().to_string()]);
    assert_eq!(ended.code, Some(2));
    let expected = format!(
        "port {port} is in use; stop the program that uses it, or choose another port with [[listener]]"
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}
