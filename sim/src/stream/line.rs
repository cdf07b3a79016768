//! One event in a line of JSON.

use std::borrow::Cow;

use api::{Fault, Hello, Req, SCHEMA, Tick};
use serde::Deserialize;

/// An event, if a simulation needs it.
#[derive(Debug)]
pub(super) enum Told {
    Hello(Box<Hello>),
    Tick(Box<Tick>),
    Req(Box<Req>),
    Fault(Box<Fault>),
    /// Another event.
    Other,
}

impl Told {
    /// Reads a line. An empty line is no event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        if line.trim_ascii().is_empty() {
            return Ok(Self::Other);
        }
        /// The name of an event. It is read first, so that the content needs no copy.
        #[derive(Deserialize)]
        struct EventName<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
        }
        let EventName { event } = of(line)?;
        match &*event {
            "hello" => {
                let hello: Box<Hello> = of(line)?;
                if hello.schema != SCHEMA {
                    return Err(format!("the format is {}, and not {SCHEMA}", hello.schema));
                }
                Ok(Self::Hello(hello))
            }
            "tick" => of(line).map(Self::Tick),
            "req" => of(line).map(Self::Req),
            "fault" => of(line).map(Self::Fault),
            _ => Ok(Self::Other),
        }
    }

    /// The time of the event, in microseconds.
    pub(super) fn t(&self) -> Option<u64> {
        match self {
            Self::Hello(hello) => Some(hello.t),
            Self::Tick(tick) => Some(tick.t),
            Self::Req(req) => Some(req.t),
            Self::Fault(fault) => Some(fault.t),
            Self::Other => None,
        }
    }
}

fn of<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_or_a_mistake() {
        let read = |line: &str| Told::read(line.as_bytes());
        assert!(matches!(read(r#"{"event":"req","t":5,"total_us":3}"#), Ok(Told::Req(req)) if req.t == 5));
        assert!(matches!(read(r#"{"t":5,"event":"tick"}"#), Ok(Told::Tick(tick)) if tick.t == 5));
        assert!(matches!(read(r#"{"event":"probe","t":5}"#), Ok(Told::Other)));
        assert!(matches!(read(" \n"), Ok(Told::Other)));
        for (line, words) in [
            ("{\"event\":\"req\"", "EOF"),
            ("{\"t\":5}", "missing field `event`"),
            ("{\"event\":\"req\",\"t\":\"soon\"}", "invalid type"),
            ("{\"event\":\"hello\",\"schema\":7}", "the format is 7, and not 1"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        assert!(Told::read(b"\xff\xfe").is_err());
    }
}
