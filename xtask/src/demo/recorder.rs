//! Writes the stream of a lab into a file, beside everything else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lab::record::RecordingWriter;
use lab::stream::StreamReader;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A file that is ready for a recording.
pub(super) struct Recorder {
    path: PathBuf,
    writer: RecordingWriter<Replaced>,
}

/// A file that keeps its old contents until something new is written.
struct Replaced {
    file: File,
    is_old: bool,
}

/// A recording that goes on.
pub(super) struct RecordingTask {
    path: PathBuf,
    end: oneshot::Sender<()>,
    failed: oneshot::Receiver<()>,
    written: JoinHandle<Result<u64>>,
}

impl Recorder {
    /// Opens the file, or creates it. An old recording stays until the first event comes: a lab that does
    /// not start costs no recording.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), writer: RecordingWriter::new(Replaced { file, is_old: true }) })
    }

    /// Writes the events of this reader until the end.
    pub(super) fn start(self, mut reader: StreamReader) -> RecordingTask {
        let Self { path, mut writer } = self;
        let (end, mut ended) = oneshot::channel();
        let (fail, failed) = oneshot::channel();
        let name = path.display().to_string();
        let written = tokio::spawn(async move {
            let mut count = 0;
            loop {
                let event = tokio::select! {
                    event = reader.next() => event,
                    _ = &mut ended => None,
                };
                let Some((_, event)) = event else { return Ok(count) };
                if let Err(error) = writer.write(&event) {
                    // This fails only at the end.
                    let _ = fail.send(());
                    return Err(error).with_context(|| format!("cannot write {name}"));
                }
                count += 1;
            }
        });
        RecordingTask { path, end, failed, written }
    }
}

impl Write for Replaced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A pipe and a device have no length.
        if self.is_old && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.is_old = false;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl RecordingTask {
    /// Waits until the file cannot be written any more. [`Self::end`] then returns the error.
    pub(super) async fn failed(&mut self) {
        if (&mut self.failed).await.is_err() {
            std::future::pending().await
        }
    }

    /// Ends the recording, and returns what to tell the user.
    pub(super) async fn end(self) -> Result<String> {
        // This fails only if the task has ended with an error, which comes next.
        let _ = self.end.send(());
        let count = self.written.await??;
        let path = self.path.display();
        Ok(format!("{count} events are in {path}: show them with `cargo xtask replay {path}`"))
    }
}

#[cfg(test)]
mod tests {
    use api::{Event, Hello, SCHEMA};
    use lab::record::open_recording;

    use super::*;

    #[test]
    fn an_old_recording_stays_until_the_first_event() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("run.jsonl");
        let old = "an old recording that is longer than the new one; ".repeat(100);
        std::fs::write(&path, &old)?;
        drop(Recorder::open(&path)?);
        let mut recorder = Recorder::open(&path)?;
        assert_eq!(std::fs::read_to_string(&path)?, old, "nothing has been recorded");
        let hello = Event::Hello(Box::new(Hello { schema: SCHEMA, ..Hello::default() }));
        recorder.writer.write(&hello)?;
        recorder.writer.write(&hello)?;
        assert_eq!(open_recording(&path)?.events, [hello.clone(), hello]);
        Ok(())
    }

    #[test]
    fn a_device_takes_a_recording() -> Result<()> {
        let hello = Event::Hello(Box::default());
        Ok(Recorder::open(Path::new("/dev/null"))?.writer.write(&hello)?)
    }
}
