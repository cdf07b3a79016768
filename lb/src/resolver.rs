//! Look-ups of names in the system's resolver, few at a time and in parallel to all other work.
//!
//! The system's resolver blocks its caller while a name server is silent. So each look-up runs on a separate
//! thread, and no caller waits longer than its own limit: a later answer is still kept. There is one look-up
//! at a time for each name, and a bounded number of threads for all names. Names whose last look-up was slow
//! leave some of these threads free for the other names, so a silent name server delays only its own names.
//!
//! The threads do not belong to the runtime, because a runtime waits for its threads when it ends.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use balance::verdict::Failure;
use tokio::sync::watch;

use crate::pool::Backend;
use crate::resources::is_out_of_resources;

/// Limit of look-ups at a time, each on a thread.
const MOST: usize = 16;

/// The part of them that is reserved for names whose last look-up was fast.
const RESERVED: usize = 4;

/// A look-up that takes longer than this is slow.
const LONG: Duration = Duration::from_secs(1);

/// Shortest time after a look-up before [`Resolver::refresh`] begins another one of the same name.
const SOON: Duration = Duration::from_millis(100);

/// The addresses of a name, with port 0; at least one.
pub(crate) type Found = Result<Arc<[SocketAddr]>, Failure>;

type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up. Copies share all state.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: Box<LookUp>,
    names: Mutex<Names>,
}

/// All names that were ever looked up, and the look-ups that run or wait.
#[derive(Default)]
struct Names {
    by_name: HashMap<Arc<str>, Name>,
    waiting: VecDeque<Arc<str>>,
    running: usize,
    /// Running look-ups of names that may not use the reserved threads.
    running_unproven: usize,
}

#[derive(Default)]
struct Name {
    /// The present look-up, running or waiting.
    open: Option<Open>,
    /// The end of the last look-up, and whether it took no longer than [`LONG`].
    last: Option<(Instant, bool)>,
}

/// A look-up without an answer yet.
struct Open {
    answer: watch::Sender<Option<Found>>,
    /// The backends that get the addresses.
    backends: Vec<Arc<Backend>>,
}

impl Resolver {
    /// Looks names up with `look_up`, which may block.
    pub(crate) fn new(look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        let look_up: Box<LookUp> = Box::new(look_up);
        Self { shared: Arc::new(Shared { look_up, names: Mutex::default() }) }
    }

    /// The resolver of the system. All parts of the process share it, so that its limits apply to the
    /// process.
    pub(crate) fn system() -> Self {
        static SYSTEM: LazyLock<Resolver> =
            LazyLock::new(|| Resolver::new(|name| Ok((name, 0).to_socket_addrs()?.collect())));
        SYSTEM.clone()
    }

    /// Looks a name up, or waits for a look-up in progress. The look-up continues even if no caller waits any
    /// more.
    ///
    /// # Errors
    /// [`Failure::Unresolved`], or [`Failure::OutOfResources`] if the look-up could not start.
    pub(crate) async fn look_up(&self, name: &str) -> Found {
        let mut answer = self.open(name, None);
        let found = answer.wait_for(Option::is_some).await;
        found.ok().and_then(|found| found.clone()).unwrap_or(Err(Failure::Unresolved))
    }

    /// Looks the name of a backend up, and gives the backend its addresses. If the look-up fails, the backend
    /// keeps its addresses.
    ///
    /// # Errors
    /// As for [`Resolver::look_up`].
    pub(crate) async fn resolve(&self, backend: &Backend) -> Result<(), Failure> {
        let found = self.look_up(&backend.address.host).await?;
        give(backend, &found);
        Ok(())
    }

    /// Does the same in the background, unless a look-up ended shortly before.
    pub(crate) fn refresh(&self, backend: &Arc<Backend>) {
        if backend.address.literal().is_none() {
            drop(self.open(&backend.address.host, Some(backend)));
        }
    }

    /// The look-up of a name in progress, or a new one. For a backend, there is no new one shortly after the
    /// last one.
    fn open(&self, name: &str, backend: Option<&Arc<Backend>>) -> watch::Receiver<Option<Found>> {
        let (answer, told) = watch::channel(None);
        let mut names = self.shared.lock();
        let name: Arc<str> =
            names.by_name.get_key_value(name).map_or_else(|| name.into(), |(key, _)| Arc::clone(key));
        let entry = names.by_name.entry(Arc::clone(&name)).or_default();
        if let Some(open) = &mut entry.open {
            open.serve(backend);
            return open.answer.subscribe();
        }
        let is_soon = entry.last.is_some_and(|(ended, _)| ended.elapsed() < SOON);
        if backend.is_some() && is_soon {
            return told;
        }
        let mut open = Open { answer, backends: Vec::new() };
        open.serve(backend);
        entry.open = Some(open);
        names.waiting.push_back(name);
        self.shared.begin(&mut names);
        told
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Open {
    fn serve(&mut self, backend: Option<&Arc<Backend>>) {
        self.backends.extend(
            backend.filter(|backend| !self.backends.iter().any(|known| Arc::ptr_eq(known, backend))).cloned(),
        );
    }
}

impl Names {
    fn is_proven(&self, name: &str) -> bool {
        self.by_name.get(name).and_then(|name| name.last).is_some_and(|(_, quick)| quick)
    }

    /// The next name to look up, if a thread is free for it, and whether its last look-up was fast.
    fn next(&mut self) -> Option<(Arc<str>, bool)> {
        if self.running >= MOST {
            return None;
        }
        let all_may = self.running_unproven < MOST - RESERVED;
        let index = self.waiting.iter().position(|name| all_may || self.is_proven(name))?;
        let name = self.waiting.remove(index)?;
        let proven = self.is_proven(&name);
        self.running += 1;
        self.running_unproven += usize::from(!proven);
        Some((name, proven))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the look-ups that may start.
    fn begin(self: &Arc<Self>, names: &mut Names) {
        while let Some((name, proven)) = names.next() {
            let (shared, task) = (Arc::clone(self), Arc::clone(&name));
            let thread = std::thread::Builder::new().name("look-up".to_owned());
            if thread.spawn(move || shared.work(task, proven)).is_err() {
                end(names, &name, proven, Err(Failure::OutOfResources), true);
            }
        }
    }

    /// Looks up one name after the other, until no name waits that may be looked up.
    fn work(&self, mut name: Arc<str>, mut proven: bool) {
        loop {
            let begun = Instant::now();
            let found = found((self.look_up)(&name));
            let mut names = self.lock();
            end(&mut names, &name, proven, found, begun.elapsed() <= LONG);
            match names.next() {
                Some(next) => (name, proven) = next,
                None => return,
            }
        }
    }
}

/// The result of a look-up. An answer without addresses is a failure.
fn found(answer: io::Result<Vec<SocketAddr>>) -> Found {
    match answer {
        Ok(addresses) if addresses.is_empty() => Err(Failure::Unresolved),
        Ok(addresses) => Ok(addresses.into()),
        Err(error) if is_out_of_resources(&error) => Err(Failure::OutOfResources),
        Err(_) => Err(Failure::Unresolved),
    }
}

/// Stores the end of a look-up, and sends its result.
fn end(names: &mut Names, name: &str, proven: bool, found: Found, quick: bool) {
    names.running -= 1;
    names.running_unproven -= usize::from(!proven);
    let Some(entry) = names.by_name.get_mut(name) else { return };
    entry.last = Some((Instant::now(), quick));
    let Some(Open { answer, backends }) = entry.open.take() else { return };
    if let Ok(addresses) = &found {
        backends.iter().for_each(|backend| give(backend, addresses));
    }
    // The waiting callers are notified last, when all data is in place.
    answer.send_replace(Some(found));
}

/// Gives a backend the addresses of its name.
fn give(backend: &Backend, addresses: &[SocketAddr]) {
    let at_port = |address: &SocketAddr| {
        let mut address = *address;
        address.set_port(backend.address.port);
        address
    };
    backend.own.resolved.set(addresses.iter().map(at_port).collect());
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
