//! The source of settings, and whether it has changed.
//!
//! The file may be on a disk that does not answer, or take long to read, and pings cannot wait for it. So a
//! separate thread checks the file, reads it and describes its errors; the control thread gets the result.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use api::Reloaded;
use tokio::sync::{mpsc, oneshot};

use super::notice::Notices;
use super::watch::{Stamp, Watch};
use crate::config::{Loaded, Problems};

/// Interval at which the configuration file is checked.
const LOOK: Duration = Duration::from_millis(200);

/// Limit of requests to read the configuration again that wait.
const WAITING: usize = 16;

/// The source of settings, which can be read again.
pub struct Origin {
    file: Option<PathBuf>,
    /// A change during reading counts as a change after it.
    watch: RefCell<Watch>,
    /// The last configuration without errors.
    last: RefCell<Option<Loaded>>,
    load: Box<dyn Fn() -> Result<Loaded, Problems> + Send>,
}

/// A configuration that was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(super) loaded: Loaded,
    /// The settings that differ from the last time, such as `health.ping_interval`.
    pub(super) changed: Vec<&'static str>,
    /// The warnings, one per line.
    pub(super) warnings: Vec<String>,
}

/// The result of reading the configuration again.
#[derive(Debug)]
pub(crate) struct News {
    /// The configuration, or all its errors in words.
    pub(super) read: Result<Box<Read>, String>,
    /// The origin of the request.
    pub(super) by: String,
    /// The channel for the result.
    pub(super) reply: Option<oneshot::Sender<Result<Reloaded, String>>>,
}

/// A request to read the configuration again.
#[derive(Debug)]
struct Request {
    by: String,
    reply: oneshot::Sender<Result<Reloaded, String>>,
}

/// The thread that reads the configuration, as the control thread sees it.
#[derive(Debug)]
pub(crate) struct Reading {
    requests: SyncSender<Request>,
}

/// Too many requests wait already.
pub(super) struct TooMany;

impl Reading {
    /// Reads the configuration again when all earlier requests are done. The configuration arrives as news,
    /// and the result of the change through the returned channel.
    ///
    /// # Errors
    /// Too many requests wait already, because the file cannot be read.
    pub(super) fn ask(&self, by: &str) -> Result<oneshot::Receiver<Result<Reloaded, String>>, TooMany> {
        let (reply, told) = oneshot::channel();
        match self.requests.try_send(Request { by: by.to_owned(), reply }) {
            Ok(()) => Ok(told),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(TooMany),
        }
    }
}

impl Origin {
    /// Settings that `load` reads, from a file if there is one.
    pub fn new(file: Option<PathBuf>, load: impl Fn() -> Result<Loaded, Problems> + Send + 'static) -> Self {
        Self { file, watch: RefCell::default(), last: RefCell::default(), load: Box::new(load) }
    }

    /// Reads all settings.
    ///
    /// # Errors
    /// All errors in them.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let stamp = self.stamp();
        let loaded = (self.load)();
        self.watch.borrow_mut().was_read(stamp);
        let loaded = loaded?;
        self.last.replace(Some(loaded.clone()));
        Ok(loaded)
    }

    /// Continues on a separate thread, which checks whether the file changes.
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

    /// Reads the configuration at each request, and when the file has changed, until the balancer ends.
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

    /// Checks the file, and reads it if it has changed.
    fn look(&self, notices: &mut Notices, begun: Instant) -> Option<News> {
        let noticed = notices.take();
        let stamp = self.stamp();
        if !self.watch.borrow_mut().is_ready(stamp, noticed, begun.elapsed()) {
            return None;
        }
        let last = self.last.borrow().clone();
        let read = self.read();
        if self.stamp() != stamp {
            // The file changed while it was read, so the result may be half of it. The watch continues.
            self.last.replace(last);
            return None;
        }
        // The file was only touched, or is again the same as the configuration in use.
        let is_news = match (&read, &last) {
            (Ok(read), Some(last)) => !read.loaded.reads_as(last),
            _ => true,
        };
        is_news.then(|| News { read, by: "file".to_owned(), reply: None })
    }

    /// Reads all settings, and finds the differences.
    fn read(&self) -> Result<Box<Read>, String> {
        let last = self.last.borrow().clone();
        // The description of errors can be long, and take long to make.
        let loaded = self.load().map_err(|problems| problems.to_string())?;
        let changed = last.map(|last| loaded.differs_from(&last)).unwrap_or_default();
        let warnings = loaded.warnings.lines().collect();
        Ok(Box::new(Read { loaded, changed, warnings }))
    }

    /// The present state of the file; `None` if there is no file.
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
