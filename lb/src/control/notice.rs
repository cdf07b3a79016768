//! Events of the system about a file that other programs write: whether it was renamed into place, and
//! whether a program still has it open for writing, by inotify(7) of its folder. These events only help: the
//! file itself is checked too.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use super::watch::Noticed;

/// Reports the events of one file.
#[derive(Debug)]
pub(super) struct Notices {
    folder: PathBuf,
    name: OsString,
    /// `None` if the system does not report events.
    events: Option<OwnedFd>,
    /// A program has written to the file and has not closed it.
    written: bool,
}

impl Notices {
    /// Reports events from now on.
    pub(super) fn of(file: &Path) -> Self {
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = file.file_name().unwrap_or_default().to_owned();
        let events = listen(&folder);
        Self { folder, name, events, written: false }
    }

    /// The events since the last call.
    pub(super) fn take(&mut self) -> Noticed {
        let mut noticed = Noticed { told: self.events.is_some(), ..Noticed::default() };
        let mut lost = false;
        if let Some(events) = &self.events {
            let mut room = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(events, &mut room);
            while let Ok(event) = events.next() {
                let what = event.events();
                // There were more events than the queue holds, or the folder was replaced.
                lost |= what.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED);
                if event.file_name().is_none_or(|name| name.to_bytes() != self.name.as_bytes()) {
                    continue;
                }
                noticed.renamed |= what.contains(ReadFlags::MOVED_TO);
                self.written = what.contains(ReadFlags::MODIFY);
            }
        }
        if lost {
            self.written = false;
        }
        if lost || self.events.is_none() {
            self.events = listen(&self.folder);
        }
        Noticed { written: self.written, ..noticed }
    }
}

fn listen(folder: &Path) -> Option<OwnedFd> {
    let events = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    let what = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
    add_watch(&events, folder, what).ok()?;
    Some(events)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_done_to_a_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lb.toml");
        fs::write(&file, "a").unwrap();
        let mut notices = Notices::of(&file);
        let nothing = Noticed { told: true, ..Noticed::default() };
        assert_eq!(notices.take(), nothing);
        let mut writer = fs::File::options().append(true).open(&file).unwrap();
        assert_eq!(notices.take(), nothing, "nothing was written yet");
        writer.write_all(b"b").unwrap();
        assert_eq!([notices.take(), notices.take()], [Noticed { written: true, ..nothing }; 2]);
        drop(writer);
        assert_eq!(notices.take(), nothing);
        let other = folder.path().join("other");
        fs::write(&other, "c").unwrap();
        assert_eq!(notices.take(), nothing, "that is another file");
        fs::rename(&other, &file).unwrap();
        assert_eq!([notices.take(), notices.take()], [Noticed { renamed: true, ..nothing }, nothing]);
        // The folder may be replaced at any moment.
        fs::remove_dir_all(folder.path()).unwrap();
        notices.take();
        assert!(!notices.take().told);
        fs::create_dir(folder.path()).unwrap();
        notices.take();
        assert_eq!(notices.take(), nothing);
    }
}
