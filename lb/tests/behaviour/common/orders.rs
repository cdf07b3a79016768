//! Commands for a balancer, at its admin port or with `lb ctl`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{Answer, Client, Ended, Lb, lb_command};

/// A request to the admin port, with any headers and any body.
pub(crate) fn order_with(lb: &Lb, line: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{line} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Client::connect(lb.admin).send(head).answer()
}

/// A correct request: its status, and the JSON document of the answer.
pub(crate) fn order(lb: &Lb, line: &str, body: &Value) -> (u16, Value) {
    let host = format!("Host: {}", lb.admin);
    let answer = order_with(lb, line, &[&host, "Content-Type: application/json"], &body.to_string());
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// Runs `lb ctl` to its end.
pub(crate) fn ctl(lb: &Lb, words: &[&str]) -> Ended {
    ctl_with(lb, words, &[])
}

/// The same with environment variables.
pub(crate) fn ctl_with(lb: &Lb, words: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = lb_command();
    let admin = format!("--admin=http://{}", lb.admin);
    command.env_remove("LB_ADMIN_TOKEN").envs(environment.iter().copied());
    command.arg("ctl").args(words).arg(admin);
    Ended::by(command)
}

/// Clients that send requests without a pause, each over a separate connection, until this is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// This number of clients. An answer with a status other than 200 fails the test.
    pub(crate) fn of(lb: &Lb, clients: usize) -> Self {
        let (stop, answered): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let clients = (0..clients).map(|_| {
            let (stop, answered, mut client) = (Arc::clone(&stop), Arc::clone(&answered), lb.client());
            std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    let answer = client.get("/load");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answered.fetch_add(1, SeqCst);
                }
            })
        });
        Self { clients: clients.collect(), stop, answered }
    }

    /// The number of answers.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }

    /// Ends the load, and returns the number of answers.
    pub(crate) fn end(self) -> usize {
        self.stop.store(true, SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        self.answered.load(SeqCst)
    }
}
