//! Where do settings come from, and have they changed there?

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::{Loaded, Problems};

/// How often the configuration file is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// Where settings come from, so that they can be read again.
pub struct Origin {
    file: Option<PathBuf>,
    /// What the file was before it was read: a change while it is read is one that comes after.
    seen: Cell<Option<Stamp>>,
    /// What it said last, if that was right.
    last: RefCell<Option<Loaded>>,
    load: Box<dyn Fn() -> Result<Loaded, Problems>>,
}

impl Origin {
    /// Settings from a file, if there is one, read by `load`.
    pub fn new(file: Option<PathBuf>, load: impl Fn() -> Result<Loaded, Problems> + 'static) -> Self {
        Self { file, seen: Cell::default(), last: RefCell::default(), load: Box::new(load) }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Problems> {
        self.load_again().map(|(loaded, _)| loaded)
    }

    /// Reads everything, and says which settings are others than last time.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn load_again(&self) -> Result<(Loaded, Vec<&'static str>), Problems> {
        self.seen.set(self.file.as_deref().and_then(Stamp::of));
        let loaded = (self.load)()?;
        let before = self.last.replace(Some(loaded.clone()));
        let different = before.map(|before| loaded.differs_from(&before)).unwrap_or_default();
        Ok((loaded, different))
    }

    /// Waits until the file is another than it was when it was read last.
    pub(super) async fn changed(&self) {
        let Some(file) = &self.file else { return std::future::pending().await };
        loop {
            tokio::time::sleep(WATCH).await;
            let now = Stamp::of(file);
            // While it is being replaced, there may be none for a moment.
            if now.is_some() && now != self.seen.get() {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}
