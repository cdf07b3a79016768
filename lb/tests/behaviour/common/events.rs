//! A reader of the balancer's event stream.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::eventually;

/// Collects events from its creation on.
pub(crate) struct Events {
    stream: TcpStream,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    last_id: Arc<AtomicU64>,
}

impl Events {
    /// Subscribes to all events, and waits for the first ones.
    pub(crate) fn of(admin: SocketAddr) -> Self {
        Self::asked(admin, "/events?requests=all", "")
    }

    /// The same with another path, and with more lines in the head of the request.
    pub(crate) fn asked(admin: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(admin).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let last_id: Arc<AtomicU64> = Arc::default();
        let ids = Arc::clone(&last_id);
        let (lines, sink) = (BufReader::new(stream.try_clone().unwrap()).lines(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut kind = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(id) = line.strip_prefix("id: ") {
                    ids.store(id.parse().unwrap(), SeqCst);
                } else if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut kind);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    sink.lock().unwrap().push((kind.clone(), serde_json::from_str(data).unwrap()));
                }
            }
        });
        let events = Self { stream, seen, last_id };
        // A reader that comes back gets no present states.
        let first = if headers.is_empty() { "state" } else { "hello" };
        eventually("the first event", || events.all(first).first().map(drop).ok_or("none"));
        events
    }

    /// The data of all events of a kind so far.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(found, _)| found == kind).map(|(_, data)| data.clone()).collect()
    }

    /// The id of the last event that began to come.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(SeqCst)
    }

    /// The kinds of all events so far.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(kind, _)| kind.clone()).collect()
    }

    /// The changes of state so far, without the first states, as "1 up -> down: why".
    pub(crate) fn changes(&self) -> Vec<String> {
        let changes = self.all("state").into_iter().filter(|change| change["from"] != change["to"]);
        changes
            .map(|change| {
                let word = |name: &str| change[name].as_str().unwrap().to_owned();
                format!("{} {} -> {}: {}", change["backend"], word("from"), word("to"), word("cause"))
            })
            .collect()
    }

    /// Waits for the record of the request for `path`.
    pub(crate) fn request(&self, path: &str) -> Value {
        eventually(&format!("the record of {path}"), || {
            let requests = self.all("req");
            requests.iter().find(|request| request["path"] == path).cloned().ok_or(requests)
        })
    }

    /// Waits for a change of state whose text begins like this.
    pub(crate) fn change(&self, beginning: &str) -> String {
        eventually(beginning, || {
            let changes = self.changes();
            changes.iter().find(|change| change.starts_with(beginning)).cloned().ok_or(changes)
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
