//! Recordings of a run: one event in each line, as JSON. The first line is `hello`, with the seed, the
//! version and the epoch of all times.

use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};
use api::{Event, SCHEMA, excerpt};

/// Writes a recording.
#[derive(Debug)]
pub struct RecordingWriter<W> {
    file: W,
}

impl<W: Write> RecordingWriter<W> {
    /// Writes to this file, which is empty.
    pub fn new(file: W) -> Self {
        Self { file }
    }

    /// Writes an event. The first one has to be `hello`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // In one piece, so that the end of the process cuts at most one line.
        self.file.write_all(&line)?;
        self.file.flush()
    }
}

/// A recording that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The events. The first one is `hello`.
    pub events: Vec<Event>,
    /// What is wrong with the end of the recording, if it is cut.
    pub note: Option<String>,
}

/// Reads a recording. A last line that is cut is left out, with a note.
///
/// # Errors
/// If a line is no event, or the first line is no `hello` of this format: has the number of the line.
pub fn read_recording(text: &str) -> Result<Recording> {
    let (mut events, mut note) = (Vec::new(), None);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let event = match serde_json::from_str::<Event>(line) {
            Ok(event) => event,
            // Only the end of the file can be cut, and a cut line has no line feed.
            Err(error) if error.is_eof() && !line.ends_with('\n') && !events.is_empty() => {
                note =
                    Some(format!("the recording is cut in line {number}; the lines before it are complete"));
                break;
            }
            Err(error) => {
                let start: String = line.trim_end().chars().take(60).collect();
                bail!("line {number} is no event: {}\n  {start}", described(&error));
            }
        };
        if number == 1 {
            begins(&event)?;
        }
        events.push(event);
    }
    ensure!(!events.is_empty(), "the recording is empty: make one with `cargo xtask record FILE`");
    Ok(Recording { events, note })
}

/// What serde_json says, without the place: it counts from the start of the line, which is always line 1.
fn described(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{}, at column {}", excerpt(text), error.column()),
        None => excerpt(&text).into_owned(),
    }
}

/// Checks the first event.
fn begins(event: &Event) -> Result<()> {
    let Event::Hello(hello) = event else {
        bail!(
            "line 1 is `{}`, and a recording begins with `hello`: record a run from its start",
            event.name()
        );
    };
    ensure!(
        hello.schema == SCHEMA,
        "line 1 says format {}, and this program reads format {SCHEMA}: use the program of the same version",
        hello.schema
    );
    Ok(())
}

/// Reads the recording in a file.
///
/// # Errors
/// If the file cannot be read, or as [`read_recording`]; names the file.
pub fn open_recording(file: &std::path::Path) -> Result<Recording> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // A cut can be inside a character.
    let text = String::from_utf8_lossy(&bytes);
    read_recording(&text).with_context(|| format!("{} is no recording", file.display()))
}

#[cfg(test)]
mod tests {
    use api::{ControlChange, Hello};

    use super::*;

    fn events() -> Vec<Event> {
        let hello = Hello { schema: SCHEMA, seed: Some(42), version: "0.1.0".into(), ..Hello::default() };
        let change =
            ControlChange { t: 5, what: "policy random -> ring".into(), by: "ä".into(), change: None };
        vec![Event::Hello(Box::new(hello)), Event::Control(change.clone()), Event::Control(change)]
    }

    fn text() -> String {
        let mut file = Vec::new();
        let mut writer = RecordingWriter::new(&mut file);
        events().iter().for_each(|event| writer.write(event).unwrap());
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn a_recording_is_read_as_it_was_written() {
        assert_eq!(text().lines().count(), 3);
        assert_eq!(read_recording(&text()).unwrap(), Recording { events: events(), note: None });
        // A last line without its line feed is complete.
        assert_eq!(read_recording(text().trim_end()).unwrap().events, events());
    }

    #[test]
    fn a_recording_that_is_cut_is_readable_up_to_there() {
        let text = text();
        let third = text.trim_end().rfind('\n').unwrap() + 1;
        for cut in third + 1..text.len() - 1 {
            let Some(cut) = text.get(..cut) else { continue };
            let recording = read_recording(cut).unwrap();
            assert_eq!(recording.events, events()[..2], "{cut}");
            assert!(recording.note.unwrap().contains("cut in line 3"));
        }
        assert_eq!(read_recording(&text[..third]).unwrap().note, None);
    }

    #[test]
    fn a_bad_file_is_an_error_with_its_line() {
        let hello = text().lines().next().unwrap().to_owned();
        let other = hello.replace("\"schema\":1", "\"schema\":9");
        for (text, expected) in [
            (String::new(), "the recording is empty"),
            ("no json\n".into(), "line 1 is no event: expected ident, at column 2\n  no json"),
            (format!("{hello}\n{{\"event\":\"tick\",\"t\":"), ""),
            (
                format!("{hello}\n{{\"event\":\"tick\",\"t\":\n{hello}\n"),
                "line 2 is no event: EOF while parsing",
            ),
            (format!("{hello}\n\n"), "line 2 is no event"),
            (format!("{hello}\n{{\"event\":\"tack\"}}\n"), "line 2 is no event: unknown variant `tack`"),
            (
                "{\"event\":\"gap\",\"from\":1,\"to\":2}\n".into(),
                "line 1 is `gap`, and a recording begins with `hello`",
            ),
            (other, "line 1 says format 9, and this program reads format 1"),
        ] {
            match read_recording(&text) {
                Ok(recording) => assert!(expected.is_empty() && recording.note.is_some(), "{text}"),
                Err(error) => {
                    let error = format!("{error:#}");
                    assert!(!expected.is_empty() && error.contains(expected), "{error:?} lacks {expected:?}");
                }
            }
        }
    }

    #[test]
    fn an_error_names_the_file() {
        let error = format!("{:#}", open_recording(std::path::Path::new("/no/such.jsonl")).unwrap_err());
        assert!(error.contains("cannot read /no/such.jsonl"), "{error}");
    }
}
