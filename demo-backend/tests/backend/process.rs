//! Tests: kill, stop, continue, start; the state after each command, and what survives.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Backend, DEADLINE, command, eventually, refuses};

#[test]
fn a_killed_backend_refuses_connections_until_it_is_started() {
    let backend = Backend::start();
    for starts in 2..5 {
        let state = backend.order("POST /kill");
        assert_eq!(state["worker"]["state"], "dead");
        assert_eq!(state["worker"]["pid"], serde_json::Value::Null);
        assert!(backend.refuses());
        let state = backend.order("POST /start");
        assert_eq!(state["worker"]["state"], "running");
        assert_eq!(state["worker"]["starts"], starts);
        // The answer closes the connection first, so the next worker finds the port in TIME_WAIT.
        assert_eq!(backend.get("/").status, 200);
    }
}

#[test]
fn a_draining_backend_finishes_what_it_is_at_and_says_that_it_leaves() {
    let backend = Backend::start();
    let (mut busy, mut idle) = (backend.client(), backend.client());
    assert_eq!(idle.ask("/").answer().header("connection"), None);
    busy.ask("/delay/500");
    eventually("it is at it", || backend.order("GET /counters")["in_flight"] == 1);
    assert_eq!(backend.order("POST /drain")["worker"]["state"], "dead");
    let answer = busy.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!((busy.rest(), idle.rest()), (Ok(Vec::new()), Ok(Vec::new())), "both are closed in order");
    assert!(backend.refuses());
    backend.order("POST /start");
    assert_eq!(backend.get("/").status, 200);
}

#[test]
fn no_other_program_can_take_the_port_of_a_dead_backend() {
    let backend = Backend::start();
    assert!(TcpListener::bind(backend.data).is_err());
    backend.order("POST /kill");
    // The standard library asks for SO_REUSEADDR, as servers do.
    assert!(TcpListener::bind(backend.data).is_err());
    assert!(TcpListener::bind(("0.0.0.0", backend.data.port())).is_err());
    let port = backend.data.port().to_string();
    let second = command(&["--port", &port, "--control-port", "0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains("is taken") && message.contains("--port"), "{message}");
    backend.order("POST /start");
    assert_eq!(backend.get("/").status, 200);
}

#[test]
fn the_next_agent_gets_the_port_although_connections_linger() {
    let first = Backend::start();
    for _ in 0..3 {
        first.get("/");
    }
    let port = first.data.port().to_string();
    drop(first);
    let start = || {
        let agent = command(&["--port", &port, "--control-port", "0", "--exit-with-parent"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        agent.status.success()
    };
    // The kernel is still removing the first worker.
    eventually("a second agent can start on the port", start);
}

#[test]
fn a_stopped_backend_is_silent_and_goes_on_where_it_was() {
    let backend = Backend::start();
    assert_eq!(backend.order("POST /stop")["worker"]["state"], "stopped");
    let mut client = backend.client();
    client.ask("/");
    assert!(client.is_silent_for(Duration::from_millis(100)), "connects, as a stopped backend does");
    assert_eq!(backend.order("POST /continue")["worker"]["state"], "running");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn commands_ask_for_what_is_true_or_possible() {
    let backend = Backend::start();
    let pid = backend.order("GET /state")["worker"]["pid"].clone();
    assert_eq!(backend.order("POST /start")["worker"]["pid"], pid);
    assert_eq!(backend.order("POST /continue")["worker"]["pid"], pid);
    backend.order("POST /stop");
    assert_eq!(backend.order("POST /stop")["worker"]["pid"], pid);
    let (status, value) = backend.try_order("POST /start", "");
    assert_eq!(status, 409);
    assert_eq!(value["error"], "the worker is stopped, not dead; POST /continue");
    assert_ne!(backend.order("POST /restart")["worker"]["pid"], pid);
    backend.order("POST /kill");
    backend.order("POST /kill");
    assert_eq!(backend.try_order("POST /stop", "").0, 409);
    assert_eq!(backend.try_order("POST /continue", "").0, 409);
}

#[test]
fn signals_from_elsewhere_are_noticed() {
    let backend = Backend::start();
    let worker =
        || Pid::from_raw(backend.order("GET /state")["worker"]["pid"].as_i64().unwrap() as i32).unwrap();
    let state = || backend.order("GET /state")["worker"]["state"].clone();
    kill_process(worker(), Signal::STOP).unwrap();
    eventually("it is stopped", || state() == "stopped");
    kill_process(worker(), Signal::CONT).unwrap();
    eventually("it runs", || state() == "running");
    kill_process(worker(), Signal::KILL).unwrap();
    eventually("it is dead", || state() == "dead");
    assert_eq!(backend.order("GET /state")["worker"]["last_exit"], "signal: 9 (SIGKILL)");
    backend.order("POST /start");
}

#[test]
fn the_ledger_survives_a_killed_worker() {
    let backend = Backend::start();
    for id in ["a", "b", "a"] {
        assert_eq!(
            backend.get_with("/", &format!("X-Request-Id: {id}\r\n")).header("x-request-id"),
            Some(id)
        );
    }
    // This request is executed, but its client gets no answer.
    let mut client = backend.client();
    client.send("GET /delay/60000 HTTP/1.1\r\nHost: test\r\nX-Request-Id: slow\r\n\r\n");
    eventually("the slow one is executed", || backend.order("GET /ledger")["total"] == 4);
    backend.order("POST /kill");
    let ledger = serde_json::json!({"executed": {"a": 2, "b": 1, "slow": 1}, "total": 4, "forgotten": 0});
    assert_eq!(backend.order("GET /ledger"), ledger);
    let counters = backend.order("GET /counters");
    assert_eq!(
        (&counters["arrived"], &counters["finished"], &counters["lost"]),
        (&4.into(), &3.into(), &1.into())
    );
    assert_eq!(counters["in_flight"], 0);
    backend.order("POST /start");
    assert_eq!(backend.order("GET /ledger"), ledger);
    backend.order("DELETE /ledger");
    assert_eq!(backend.order("GET /ledger")["total"], 0);
}

#[test]
fn no_report_is_lost_when_the_worker_is_killed_under_load() {
    let backend = Backend::start();
    let answered: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| answers_until_broken(&backend))).collect();
        eventually("much was executed", || backend.order("GET /ledger")["total"].as_u64() > Some(500));
        backend.order("POST /kill");
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let counters = backend.order("GET /counters");
    let number = |name: &str| counters[name].as_u64().unwrap();
    let ended = number("finished") + number("abandoned") + number("broken") + number("lost");
    assert_eq!(number("arrived"), ended, "{counters}");
    let executed = backend.order("GET /ledger")["total"].as_u64().unwrap();
    assert!(executed >= answered as u64, "{answered} answers of {executed} executions");
}

#[test]
fn the_worker_dies_with_a_killed_agent() {
    let mut backend = Backend::start();
    backend.agent.kill().unwrap();
    eventually("the data port refuses", || backend.refuses());
}

/// Only Linux kills a stopped process when its parent dies; on other systems the process would have to notice
/// it itself.
#[cfg(target_os = "linux")]
#[test]
fn even_a_stopped_worker_dies_with_a_killed_agent() {
    let mut backend = Backend::start();
    backend.order("POST /stop");
    backend.agent.kill().unwrap();
    eventually("the data port refuses", || backend.refuses());
}

#[test]
fn an_agent_ends_politely_when_asked_to() {
    let mut backend = Backend::start();
    let mut client = backend.client();
    client.ask("/delay/200");
    eventually("the request has arrived", || backend.order("GET /counters")["in_flight"] == 1);
    terminate(&backend);
    assert_eq!(client.answer().status, 200);
    assert_eq!(backend.agent.wait().unwrap().code(), Some(0));
    assert!(backend.refuses());
}

#[test]
fn an_agent_ends_although_its_worker_is_stopped() {
    let mut backend = Backend::start();
    backend.order("POST /stop");
    terminate(&backend);
    assert_eq!(backend.agent.wait().unwrap().code(), Some(0));
    assert!(backend.refuses());
}

#[test]
fn an_agent_ends_with_its_parent() {
    let mut backend = Backend::with_flags(&["--exit-with-parent"]);
    drop(backend.agent.stdin.take());
    eventually("the agent is gone", || backend.agent.try_wait().unwrap().is_some());
    eventually("both ports refuse", || backend.refuses() && refuses(backend.control));
}

#[test]
fn health_is_an_exit_status() {
    let backend = Backend::start();
    let check = |address| {
        let url = format!("http://{address}/healthz");
        command(&["--check-health", &url]).status().unwrap().code()
    };
    assert_eq!(check(backend.control), Some(0));
    assert_eq!(check(backend.data), Some(0));
    backend.faults(r#"[{"kind": "status", "code": 500}]"#);
    assert_eq!(check(backend.data), Some(1));
    backend.faults(r#"[{"kind": "garbage"}]"#);
    assert_eq!(check(backend.data), Some(1));
    backend.faults(r#"[{"kind": "stall"}]"#);
    assert_eq!(check(backend.data), Some(1), "the check has a time limit");
    backend.order("POST /kill");
    assert_eq!(check(backend.data), Some(1));
    assert_eq!(check(backend.control), Some(0));
}

/// Sends requests on one connection until it breaks; returns the number of answers.
fn answers_until_broken(backend: &Backend) -> usize {
    let mut stream = TcpStream::connect(backend.data).unwrap();
    let mut buffer = [0; 4096];
    for answers in 0.. {
        let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nX-Request-Id: x\r\n\r\n");
        // A small answer is one write, and so one read.
        if sent.is_err() || !matches!(stream.read(&mut buffer), Ok(1..)) {
            return answers;
        }
    }
    unreachable!("a killed worker breaks its connections")
}

fn terminate(backend: &Backend) {
    assert!(DEADLINE > Duration::from_secs(5), "an agent gives its worker five seconds");
    let agent = Pid::from_raw(backend.agent.id() as i32).unwrap();
    kill_process(agent, Signal::TERM).unwrap();
}
