//! Where do settings come from, and have they changed there?
//!
//! A file may be on a disk that does not answer, or take long to read, and whoever pings cannot wait for it. So a thread of
//! its own looks at the file, reads it and says what is wrong with it; the control thread is told what came of it.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::Reloaded;
use super::notice::Notices;
use super::watch::{Stamp, Watch};
use crate::config::{Loaded, Problems};

/// How often the configuration file is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Requests to read the configuration again that may wait for their turn.
const WAITING: usize = 16;

/// Where settings come from, so that they can be read again.
pub struct Origin {
    file: Option<PathBuf>,
    /// A change while it is read is one that comes after.
    watch: RefCell<Watch>,
    /// What it said last, if that was right.
    last: RefCell<Option<Loaded>>,
    load: Box<dyn Fn() -> Result<Loaded, Problems> + Send>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(super) loaded: Loaded,
    /// The settings that are others than last time, such as `health.ping_interval`.
    pub(super) changed: Vec<&'static str>,
    /// What is odd about it, a line each.
    pub(super) warnings: Vec<String>,
}

/// What came of reading the configuration again.
#[derive(Debug)]
pub(crate) struct News {
    /// Or all that is wrong with it, in words.
    pub(super) read: Result<Box<Read>, String>,
    /// Who asked for it.
    pub(super) by: String,
    /// Whom to tell what came of it.
    pub(super) reply: Option<oneshot::Sender<Result<Reloaded, String>>>,
}

/// Somebody asks for the configuration to be read again.
#[derive(Debug)]
struct Request {
    by: String,
    reply: oneshot::Sender<Result<Reloaded, String>>,
}

/// The thread that reads the configuration, seen from the control thread.
#[derive(Debug)]
pub(crate) struct Reading {
    requests: SyncSender<Request>,
}

/// Too many have asked already.
pub(super) struct TooMany;

impl Reading {
    /// Has the configuration read again as soon as it is its turn. What was read comes as news, and what came of it by
    /// what is returned.
    ///
    /// # Errors
    /// Too many have asked before, because the file cannot be read.
    pub(super) fn ask(&self, by: &str) -> Result<oneshot::Receiver<Result<Reloaded, String>>, TooMany> {
        let (reply, told) = oneshot::channel();
        match self.requests.try_send(Request { by: by.to_owned(), reply }) {
            Ok(()) => Ok(told),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(TooMany),
        }
    }
}

impl Origin {
    /// Settings from a file, if there is one, read by `load`.
    pub fn new(file: Option<PathBuf>, load: impl Fn() -> Result<Loaded, Problems> + Send + 'static) -> Self {
        Self { file, watch: RefCell::default(), last: RefCell::default(), load: Box::new(load) }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let stamp = self.stamp();
        let loaded = (self.load)();
        self.watch.borrow_mut().was_read(stamp);
        let loaded = loaded?;
        self.last.replace(Some(loaded.clone()));
        Ok(loaded)
    }

    /// Goes on in a thread of its own, which looks whether the file changes.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn watch(self) -> std::io::Result<(Reading, mpsc::UnboundedReceiver<News>)> {
        let (requests, asked) = sync_channel(WAITING);
        let (tell, news) = mpsc::unbounded_channel();
        let notices = self.file.as_deref().map(Notices::of);
        let reading = move || self.keep_reading(notices, &asked, &tell);
        std::thread::Builder::new().name("configuration".into()).spawn(reading)?;
        Ok((Reading { requests }, news))
    }

    /// Reads the configuration whenever somebody asks for it or the file has changed, until the balancer ends.
    fn keep_reading(
        &self,
        mut notices: Option<Notices>,
        asked: &Receiver<Request>,
        tell: &mpsc::UnboundedSender<News>,
    ) {
        let begun = Instant::now();
        loop {
            let news = match asked.recv_timeout(LOOK) {
                Ok(Request { by, reply }) => Some(News { read: self.read(), by, reply: Some(reply) }),
                Err(RecvTimeoutError::Timeout) => {
                    notices.as_mut().and_then(|notices| self.look(notices, begun))
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if news.is_some_and(|news| tell.send(news).is_err()) {
                return;
            }
        }
    }

    /// Looks at the file, and reads it if it has changed.
    fn look(&self, notices: &mut Notices, begun: Instant) -> Option<News> {
        let noticed = notices.take();
        let stamp = self.stamp();
        if !self.watch.borrow_mut().is_ready(stamp, noticed, begun.elapsed()) {
            return None;
        }
        let last = self.last.borrow().clone();
        let read = self.read();
        if self.stamp() != stamp {
            // It was written while it was read, so that what was read may be half of it. It is looked at further.
            self.last.replace(last);
            return None;
        }
        // It was touched, or has come back to what is in force.
        let is_news = match (&read, &last) {
            (Ok(read), Some(last)) => !read.loaded.reads_as(last),
            _ => true,
        };
        is_news.then(|| News { read, by: "file".to_owned(), reply: None })
    }

    /// Reads everything, and says what is different.
    fn read(&self) -> Result<Box<Read>, String> {
        let last = self.last.borrow().clone();
        // What there is to say can be long, and to put it into words can take long.
        let loaded = self.load().map_err(|problems| problems.to_string())?;
        let changed = last.map(|last| loaded.differs_from(&last)).unwrap_or_default();
        let warnings = loaded.warnings.lines().collect();
        Ok(Box::new(Read { loaded, changed, warnings }))
    }

    /// What the file is now; nothing if there is none.
    fn stamp(&self) -> Option<Stamp> {
        self.file.as_deref().and_then(stamp)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let is = std::fs::metadata(file).ok()?;
    Some(Stamp {
        file: (is.dev(), is.ino()),
        length: is.len(),
        modified: (is.mtime(), is.mtime_nsec()),
        changed: (is.ctime(), is.ctime_nsec()),
    })
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}
