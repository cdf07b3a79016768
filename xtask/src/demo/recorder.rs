//! Writes the stream of a lab into a file, beside everything else.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lab::record::RecordingWriter;
use lab::stream::StreamReader;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A file that is ready for a recording.
pub(super) struct Recorder {
    path: PathBuf,
    writer: RecordingWriter<File>,
}

/// A recording that goes on.
pub(super) struct RecordingTask {
    path: PathBuf,
    end: oneshot::Sender<()>,
    written: JoinHandle<Result<u64>>,
}

impl Recorder {
    /// Creates the file. A file that is there is replaced.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), writer: RecordingWriter::new(file) })
    }

    /// Writes the events of this reader until the end.
    pub(super) fn start(self, mut reader: StreamReader) -> RecordingTask {
        let Self { path, mut writer } = self;
        let (end, mut ended) = oneshot::channel();
        let name = path.display().to_string();
        let written = tokio::spawn(async move {
            let mut count = 0;
            loop {
                let event = tokio::select! {
                    event = reader.next() => event,
                    _ = &mut ended => None,
                };
                let Some((_, event)) = event else { return Ok(count) };
                writer.write(&event).with_context(|| format!("cannot write {name}"))?;
                count += 1;
            }
        });
        RecordingTask { path, end, written }
    }
}

impl RecordingTask {
    /// Ends the recording, and returns what to tell the user.
    pub(super) async fn end(self) -> Result<String> {
        // This fails only if the task has ended with an error, which comes next.
        let _ = self.end.send(());
        let count = self.written.await??;
        let path = self.path.display();
        Ok(format!("{count} events are in {path}: show them with `cargo xtask replay {path}`"))
    }
}
