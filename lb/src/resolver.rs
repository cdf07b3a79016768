//! What does a name stand for? Look-ups in the system's resolver, few at once and beside everything else.
//!
//! The system's resolver blocks its caller, for as long as a name server is silent. So each look-up runs on a thread of
//! its own, and no caller waits for longer than it wants to: an answer that comes later is kept all the same. There is
//! one look-up for each name at a time, and a bounded number of threads for all names. Names whose look-up took long the
//! last time leave some of these threads to the others, so a silent name server holds up only its own names.
//!
//! The threads are not the runtime's, because a runtime waits for its threads when it ends.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use balance::verdict::Failure;
use tokio::sync::watch;

use crate::pool::Backend;
use crate::proxy::connect::is_out_of_resources;

/// Look-ups that run at once, each on a thread.
const MOST: usize = 16;

/// How many of them are kept free of names whose last look-up took long, and of names that are new.
const RESERVED: usize = 4;

/// A look-up that takes longer than this is a long one.
const LONG: Duration = Duration::from_secs(1);

/// How soon after a look-up [`Resolver::refresh`] begins the next one of the same name.
const SOON: Duration = Duration::from_millis(100);

/// The addresses that a name stands for, with the port 0; at least one.
pub(crate) type Found = Result<Arc<[SocketAddr]>, Failure>;

type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up. Copies share everything.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: Box<LookUp>,
    names: Mutex<Names>,
}

/// All names that were ever asked for, and the look-ups that run or wait.
#[derive(Default)]
struct Names {
    by_name: HashMap<Arc<str>, Name>,
    waiting: VecDeque<Arc<str>>,
    running: usize,
    /// Those of them that run for names that may not use the reserved threads.
    running_unproven: usize,
}

#[derive(Default)]
struct Name {
    /// Its present look-up, running or waiting.
    open: Option<Open>,
    /// When its last look-up ended, and whether that took no longer than [`LONG`].
    last: Option<(Instant, bool)>,
}

/// A look-up that has no answer yet.
struct Open {
    answer: watch::Sender<Option<Found>>,
    /// The backends that get its addresses.
    backends: Vec<Arc<Backend>>,
}

impl Resolver {
    /// Looks names up by `look_up`, which may block.
    pub(crate) fn new(look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        let look_up: Box<LookUp> = Box::new(look_up);
        Self { shared: Arc::new(Shared { look_up, names: Mutex::default() }) }
    }

    /// The system's resolver. All of the process share it, so that its bounds hold for the process.
    pub(crate) fn system() -> Self {
        static SYSTEM: LazyLock<Resolver> =
            LazyLock::new(|| Resolver::new(|name| Ok((name, 0).to_socket_addrs()?.collect())));
        SYSTEM.clone()
    }

    /// Looks a name up, or waits for the look-up that is on its way. It goes on when nothing waits for it any more.
    ///
    /// # Errors
    /// [`Failure::Unresolved`], or [`Failure::OutOfResources`] if it could not be asked for.
    pub(crate) async fn look_up(&self, name: &str) -> Found {
        let mut answer = self.open(name, None);
        let found = answer.wait_for(Option::is_some).await;
        found.ok().and_then(|found| found.clone()).unwrap_or(Err(Failure::Unresolved))
    }

    /// Looks the name of a backend up, and gives the backend its addresses. When the look-up fails, the backend keeps
    /// those it had.
    ///
    /// # Errors
    /// As for [`Resolver::look_up`].
    pub(crate) async fn resolve(&self, backend: &Backend) -> Result<(), Failure> {
        let found = self.look_up(&backend.address.host).await?;
        give(backend, &found);
        Ok(())
    }

    /// Does the same beside everything else, unless it was done a moment ago.
    pub(crate) fn refresh(&self, backend: &Arc<Backend>) {
        if backend.address.literal().is_none() {
            drop(self.open(&backend.address.host, Some(backend)));
        }
    }

    /// The look-up of a name that is on its way, or else a new one. For a backend, there is no new one soon after the
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

    /// The name to look up next, if a thread may, and whether it is one that was quick the last time.
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

    /// Begins the look-ups that may begin.
    fn begin(self: &Arc<Self>, names: &mut Names) {
        while let Some((name, proven)) = names.next() {
            let (shared, task) = (Arc::clone(self), Arc::clone(&name));
            let thread = std::thread::Builder::new().name("look-up".to_owned());
            if thread.spawn(move || shared.work(task, proven)).is_err() {
                end(names, &name, proven, Err(Failure::OutOfResources), true);
            }
        }
    }

    /// Looks up one name after the other, until none waits that may be looked up.
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

/// What a look-up has found. An answer without addresses is none.
fn found(answer: io::Result<Vec<SocketAddr>>) -> Found {
    match answer {
        Ok(addresses) if addresses.is_empty() => Err(Failure::Unresolved),
        Ok(addresses) => Ok(addresses.into()),
        Err(error) if is_out_of_resources(&error) => Err(Failure::OutOfResources),
        Err(_) => Err(Failure::Unresolved),
    }
}

/// Notes the end of a look-up, and tells what it has found.
fn end(names: &mut Names, name: &str, proven: bool, found: Found, quick: bool) {
    names.running -= 1;
    names.running_unproven -= usize::from(!proven);
    let Some(entry) = names.by_name.get_mut(name) else { return };
    entry.last = Some((Instant::now(), quick));
    let Some(Open { answer, backends }) = entry.open.take() else { return };
    if let Ok(addresses) = &found {
        backends.iter().for_each(|backend| give(backend, addresses));
    }
    // Those who wait are told last: what they look at is there by then.
    answer.send_replace(Some(found));
}

/// Gives a backend the addresses that its name stands for.
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
