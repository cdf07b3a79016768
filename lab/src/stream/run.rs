//! The tasks that read the sources of the merged stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use api::{Change, Event, Load, Word};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::channel::{Channel, StreamReader};
use super::clock::LabClock;
use super::faults::BackendSeen;
use super::ghost::Ghost;
use super::join::Join;
use super::merge::Merge;
use super::requests::LoadNames;
use super::traffic::Traffic;
use crate::client::{Client, Events};
use crate::eventually;
use crate::topology::Lab;

/// The time between two looks at the backends and the load.
const LOOK: Duration = Duration::from_millis(250);

/// The time between two looks at the requests that have ended.
const JOIN: Duration = Duration::from_millis(50);

/// The longest time without an event of a balancer that runs: it sends a tick four times a second.
const SILENCE: Duration = Duration::from_secs(3);

/// The pause before another attempt to reach the balancer.
const PAUSE: Duration = Duration::from_millis(200);

/// The time limit for the first event.
const BEGIN: Duration = Duration::from_secs(5);

/// Where the stream comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The admin port of the balancer.
    pub admin: SocketAddr,
    /// The control ports of the backends, by number; the first is 1.
    pub controls: Vec<SocketAddr>,
    /// The load, if the lab has one.
    pub traffic: Option<Arc<Traffic>>,
    /// The seed of the lab.
    pub seed: Option<u64>,
    /// What the balancer takes as the key of a request: see
    /// [`BalancerHandle::hash_by`](crate::topology::BalancerHandle::hash_by).
    pub hash_by: Option<String>,
}

impl Sources {
    /// The sources of a lab, without a load.
    ///
    /// # Errors
    /// If the balancer has no admin port, because it is of another project.
    pub fn of(lab: &Lab) -> Result<Self> {
        let controls = lab.backends().iter().map(crate::topology::Backend::control).collect();
        let hash_by = lab.balancer().hash_by().map(str::to_owned);
        Ok(Self { admin: lab.balancer().admin()?, controls, traffic: None, seed: None, hash_by })
    }
}

/// The merged stream of a running lab. It ends when it is dropped.
#[derive(Debug)]
pub struct LabStream {
    channel: Arc<Channel>,
    admin: watch::Sender<SocketAddr>,
    ghost: Ghost,
    _tasks: JoinSet<()>,
}

impl LabStream {
    /// Starts to read the sources, and returns when the balancer has told its state.
    ///
    /// # Errors
    /// If the balancer does not tell its state within 5 s.
    pub async fn start(sources: Sources) -> Result<Self> {
        let clock = LabClock::start();
        let presets = match sources.controls.first() {
            Some(control) => presets(*control).await,
            None => Vec::new(),
        };
        let names = sources.traffic.as_ref().map(|traffic| names(traffic, clock, sources.hash_by));
        let merge = Merge::new(clock.epoch_unix_us, sources.seed, presets);
        let channel = Arc::new(Channel::new(clock, merge, Join::new(names.clone())));
        // So the ids also rise from one start of a lab to the next.
        channel.count_from(clock.epoch_unix_us);
        let (admin, port) = watch::channel(sources.admin);
        let mut tasks = JoinSet::new();
        for (number, control) in (1..).zip(sources.controls) {
            let channel = channel.clone();
            tasks.spawn(async move { look_at_backend(channel, clock, number, control).await });
        }
        if let (Some(traffic), Some(names)) = (sources.traffic.clone(), names) {
            let channel = channel.clone();
            tasks.spawn(async move { follow_load(channel, traffic, names).await });
        }
        let (timed, followed) = (channel.clone(), channel.clone());
        tasks.spawn(async move { keep_time(timed, clock, sources.traffic).await });
        tasks.spawn(async move { follow_balancer(followed, clock, port).await });
        eventually(BEGIN, "the balancer to tell its state", async || {
            ensure!(channel.has_begun(), "no event has come");
            Ok(())
        })
        .await?;
        let ghost = Ghost::new(channel.clone(), &mut tasks, crate::binaries::simulator);
        Ok(Self { channel, admin, ghost, _tasks: tasks })
    }

    /// A new reader of the sample of the requests. It gets the present state first.
    pub fn read(&self) -> StreamReader {
        self.channel.join()
    }

    /// A new reader of all requests of the load. Those that are not in the sample have `n` = 0, and all have
    /// the times of their client. A request that is not of the load comes only if it is in the sample. The
    /// reader gets the present state first. Its ids are not those of [`LabStream::read`].
    pub fn read_all(&self) -> StreamReader {
        self.channel.join_all()
    }

    /// A reader that continues after the event with this id, of [`LabStream::read_all`] if `all`, otherwise
    /// of [`LabStream::read`]; `None` if the events after it are not kept, or if the id is of another start.
    pub fn resume(&self, all: bool, last: u64) -> Option<StreamReader> {
        self.channel.resume(all, last)
    }

    /// Tells that the lab itself changed something, such as the command of a key.
    pub fn tell(&self, what: impl Into<String>, by: impl Into<String>) {
        self.channel.tell_change(what, by, None);
    }

    /// The same, for a change that programs follow.
    pub fn tell_change(&self, what: impl Into<String>, by: impl Into<String>, change: Change) {
        self.channel.tell_change(what, by, Some(change));
    }

    /// The ghost: another policy on the same requests.
    pub fn ghost(&self) -> &Ghost {
        &self.ghost
    }

    /// Hides a fault of this kind that is about to be added to a backend. It stays hidden from all readers
    /// until [`LabStream::reveal`]. Returns false, and does nothing, if there is a secret already.
    pub fn begin_secret(&self, backend: usize, kind: &str) -> bool {
        let mut is_hidden = false;
        self.channel.take_in(|merge| {
            is_hidden = merge.begin_secret(backend, kind);
            Vec::new()
        });
        is_hidden
    }

    /// Ends the secret that [`LabStream::begin_secret`] began, because its fault was not added.
    pub fn cancel_secret(&self) {
        self.channel.take_in(|merge| {
            merge.cancel_secret();
            Vec::new()
        });
    }

    /// The fault of the secret that [`LabStream::begin_secret`] began was added, and has this id. Tells that
    /// there is a secret.
    pub fn confirm_secret(&self, id: u64, by: &str) {
        let t = self.channel.now();
        self.channel.take_in(|merge| merge.confirm_secret(t, id, by));
    }

    /// Shows the secret, and tells what it was. Returns the same words; `None` without a secret.
    pub fn reveal(&self, by: &str) -> Option<String> {
        let (t, mut what) = (self.channel.now(), None);
        self.channel.take_in(|merge| {
            let (words, events) = merge.reveal(t, by).unzip();
            what = words;
            events.unwrap_or_default()
        });
        what
    }

    /// The admin port of the balancer.
    pub fn admin(&self) -> SocketAddr {
        *self.admin.borrow()
    }

    /// The balancer has another admin port now.
    pub fn balancer_moved(&self, admin: SocketAddr) {
        self.admin.send_replace(admin);
    }
}

/// The names of the presets of a backend; none if it does not say.
async fn presets(control: SocketAddr) -> Vec<Word> {
    let Ok(answer) = Client::new(control).get("/presets").await else { return Vec::new() };
    let presets: Value = answer.json().unwrap_or_default();
    let name = |preset: &Value| Some(preset["name"].as_str()?.to_owned().into());
    presets.as_array().into_iter().flatten().filter_map(name).collect()
}

/// What a load says about all its requests.
fn names(traffic: &Traffic, clock: LabClock, hash_by: Option<String>) -> LoadNames {
    let load = traffic.load();
    let now = i64::try_from(load.elapsed().as_micros()).unwrap_or(i64::MAX);
    // Both clocks count from a moment of the same monotonic clock, so the difference stays the same.
    let offset = i64::try_from(clock.now()).unwrap_or(i64::MAX).saturating_sub(now);
    LoadNames { name: load.name().to_owned(), hash_by, offset }
}

/// Tells the requests of the load that end from now on.
async fn follow_load(channel: Arc<Channel>, traffic: Arc<Traffic>, names: LoadNames) -> ! {
    let (_, mut counted) = traffic.ended_after(u64::MAX);
    let mut looks = interval(JOIN);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (entries, ended) = traffic.ended_after(counted);
        counted = ended;
        let tries = entries.iter().flat_map(|entry| names.tries(entry, traffic.load().request_line(entry)));
        channel.ended(tries.collect());
    }
}

/// Reads the events of the balancer, and connects again when they end.
async fn follow_balancer(
    channel: Arc<Channel>,
    clock: LabClock,
    mut admin: watch::Receiver<SocketAddr>,
) -> ! {
    let mut last = String::new();
    loop {
        let port = *admin.borrow_and_update();
        let why = tokio::select! {
            why = read_events(&channel, port, &mut last) => why,
            _ = admin.changed() => "its admin port has moved".to_owned(),
        };
        channel.take_in(|merge| merge.lost(clock.now(), &why));
        sleep(PAUSE).await;
    }
}

/// Reads the events until they end, and returns the reason. `last` is the id of the last event.
async fn read_events(channel: &Channel, port: SocketAddr, last: &mut String) -> String {
    let mut events = match Events::resume(port, "/events", last).await {
        Ok(events) => events,
        Err(error) => return error.root_cause().to_string(),
    };
    loop {
        let event = match timeout(SILENCE, events.next()).await {
            Ok(Ok(Some(event))) => event,
            Ok(Ok(None)) => return "it has ended the stream".to_owned(),
            Ok(Err(error)) => return error.root_cause().to_string(),
            Err(_) => return format!("nothing came for {} s", SILENCE.as_secs()),
        };
        if !event.id.is_empty() {
            *last = event.id;
        }
        // A newer balancer may tell more than this lab knows.
        if let Ok(event) = serde_json::from_value::<Event>(event.data) {
            channel.take_in(|merge| merge.balancer(event));
        }
    }
}

/// Looks at one backend four times a second.
async fn look_at_backend(channel: Arc<Channel>, clock: LabClock, number: usize, control: SocketAddr) -> ! {
    let mut client = Client::new(control).patience(Duration::from_secs(1));
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let answer = client.get("/state").await.and_then(crate::client::Answer::ok);
        let state = answer.and_then(|answer| answer.json::<Value>());
        let seen = state.ok().map(|state| BackendSeen::read(&state));
        channel.take_in(|merge| merge.backend(clock.now(), number, seen));
    }
}

/// Reads the figures of the load four times a second, and tells ticks while the balancer does not.
async fn keep_time(channel: Arc<Channel>, clock: LabClock, traffic: Option<Arc<Traffic>>) -> ! {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Some(traffic) = &traffic {
            let (shape, figures) = (traffic.shape(), traffic.figures());
            let control = if shape.is_open { "open" } else { "closed" };
            let load = Load {
                t: clock.now(),
                control: control.into(),
                rate: if shape.is_open { shape.rate } else { 0.0 },
                clients: if shape.is_open { 0 } else { shape.clients },
            };
            channel.take_in(|merge| merge.load(load, figures));
        }
        channel.take_in(|merge| merge.pass(clock.now()));
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
