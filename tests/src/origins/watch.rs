//! The state changes of backends, as the balancer reports them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use lab::client::Events;
use tokio::task::JoinHandle;

/// A change of a backend's state.
#[derive(Clone, Debug)]
pub struct Change {
    /// The time at which this test got the event.
    pub at: Instant,
    /// The backend's number.
    pub backend: usize,
    /// The state before.
    pub from: String,
    /// The state after the change.
    pub to: String,
    /// The reason.
    pub cause: String,
}

/// Reads a balancer's events until it is dropped.
#[derive(Debug)]
pub struct Watch {
    changes: Arc<Mutex<Vec<Change>>>,
    listening: JoinHandle<()>,
}

impl Watch {
    /// Begins to read the events of an admin port.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn begin(admin: SocketAddr) -> Result<Self> {
        let mut events = Events::open(admin, "/events").await?;
        let changes = Arc::<Mutex<Vec<Change>>>::default();
        let noted = changes.clone();
        let listening = tokio::spawn(async move {
            while let Ok(Some(event)) = events.next().await {
                let text = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
                // The first events only give the state of each backend.
                if event.name != "state" || text("from") == text("to") {
                    continue;
                }
                let change = Change {
                    at: Instant::now(),
                    backend: event.data["backend"].as_u64().unwrap_or_default() as usize,
                    from: text("from"),
                    to: text("to"),
                    cause: text("cause"),
                };
                noted.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(change);
            }
        });
        Ok(Self { changes, listening })
    }

    /// All changes so far.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The changes away from `up`.
    pub fn left_up(&self) -> Vec<Change> {
        self.changes().into_iter().filter(|change| change.from == "up").collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
