//! One event in a line of JSON.

use std::borrow::Cow;
use std::io::{self, BufRead};

use api::{Fault, Hello, SCHEMA, Tick, excerpt};
use serde::Deserialize;

use super::MOST_BACKENDS;
use super::call::{LiveCall, ToldCall};

/// The longest line, in bytes. A tick of 10,000 backends has room.
const LONGEST: usize = 8 << 20;

/// Times above this are a mistake, in microseconds: 285 years.
const LATEST: u64 = 1 << 53;

/// The longest service of a request, in microseconds. A run lasts until its last service ends.
const LONGEST_SERVICE: u64 = 3_600_000_000;

/// The beginning of the most frequent event.
const REQ: &[u8] = br#"{"event":"req","#;

/// An event, if a simulation needs it.
#[derive(Debug)]
pub(super) enum Told {
    Hello(Box<Hello>),
    Tick(Box<Tick>),
    Req(LiveCall),
    Fault(Box<Fault>),
    /// From this time on, the policy with this name is in force.
    Policy(u64, String),
    /// From this time on, the backend with this number has this weight or this mode.
    Member(u64, usize, MemberChange),
    /// Another event.
    Other,
}

/// What an operator changed at a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberChange {
    Weight(u32),
    /// Whether its mode is `ready`.
    Ready(bool),
}

/// An event `control`.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Control<'a> {
    t: u64,
    what: Cow<'a, str>,
    change: Option<TypedChange>,
}

/// What changed, for programs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct TypedChange {
    kind: String,
    policy: Option<String>,
    backend: usize,
    weight: u32,
    mode: String,
}

impl Told {
    /// Reads a line. An empty line is no event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        if line.len() > LONGEST {
            return Err(format!("the line is longer than {LONGEST} bytes"));
        }
        let told = Self::parsed(line)?;
        match told.t() {
            Some(t) if t > LATEST => return Err(format!("the time {t} is above {LATEST} microseconds")),
            _ => {}
        }
        match &told {
            Self::Req(LiveCall { service: Some(service), .. }) if *service > LONGEST_SERVICE => {
                Err(format!("service_us is {service}, which is longer than an hour ({LONGEST_SERVICE})"))
            }
            _ => Ok(told),
        }
    }

    fn parsed(line: &[u8]) -> Result<Self, String> {
        let call = |line| of(line).map(|call: ToldCall| Self::Req(LiveCall::of(&call)));
        if line.starts_with(REQ) {
            return call(line);
        }
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
            "hello" => hello(of(line)?),
            "tick" => of(line).map(Self::Tick),
            "req" => call(line),
            "fault" => of(line).map(Self::Fault),
            "control" => of(line).map(|control: Control<'_>| control.told()),
            _ => Ok(Self::Other),
        }
    }

    /// The time of the event, in microseconds.
    pub(super) fn t(&self) -> Option<u64> {
        match self {
            Self::Hello(hello) => Some(hello.t),
            Self::Tick(tick) => Some(tick.t),
            Self::Req(call) => Some(call.ended),
            Self::Fault(fault) => Some(fault.t),
            Self::Policy(t, _) | Self::Member(t, ..) => Some(*t),
            Self::Other => None,
        }
    }
}

impl Control<'_> {
    /// What changed, if a simulation follows it. A balancer that does not type its changes says only the
    /// policy, in words.
    fn told(self) -> Told {
        let Some(change) = self.change else {
            let policies = self.what.strip_prefix("policy ").and_then(|words| words.split_once(" -> "));
            return policies.map_or(Told::Other, |(_, policy)| Told::Policy(self.t, policy.to_owned()));
        };
        let TypedChange { kind, policy, backend, weight, mode } = change;
        let is_known = (1..=MOST_BACKENDS).contains(&backend);
        match (&*kind, policy) {
            ("policy", Some(policy)) => Told::Policy(self.t, policy),
            ("weight", _) if is_known => Told::Member(self.t, backend, MemberChange::Weight(weight)),
            ("mode", _) if is_known => Told::Member(self.t, backend, MemberChange::Ready(mode == "ready")),
            _ => Told::Other,
        }
    }
}

/// Checks a `hello`.
fn hello(hello: Box<Hello>) -> Result<Told, String> {
    if hello.schema != SCHEMA {
        return Err(format!("the format is {}, and not {SCHEMA}", hello.schema));
    }
    let numbers = hello.backends.iter().map(|backend| backend.backend);
    match numbers.into_iter().find(|number| !(1..=MOST_BACKENDS).contains(number)) {
        Some(number) => Err(format!("it has a backend {number}; numbers are from 1 to {MOST_BACKENDS}")),
        None => Ok(Told::Hello(hello)),
    }
}

/// Reads the next line into the buffer, and returns whether there was one. Of a line that is too long, only
/// the beginning is kept, which is no event.
///
/// # Errors
/// If the input cannot be read.
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut is_any = false;
    loop {
        let available = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        if available.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let end = available.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
        let part = &available[..end.unwrap_or(available.len())];
        // One byte above the limit shows that the line is too long.
        let room = (LONGEST + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let read = part.len();
        input.consume(read);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn of<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| excerpt(&error.to_string()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_or_a_mistake() {
        let read = |line: &str| Told::read(line.as_bytes());
        for line in [r#"{"event":"req","t":5,"total_us":3}"#, r#"{"t":5,"total_us":3,"event":"req"}"#] {
            assert!(matches!(read(line), Ok(Told::Req(call)) if (call.arrived, call.ended) == (2, 5)));
        }
        assert!(matches!(read(r#"{"t":5,"event":"tick"}"#), Ok(Told::Tick(tick)) if tick.t == 5));
        assert!(matches!(read(r#"{"event":"probe","t":5}"#), Ok(Told::Other)));
        assert!(matches!(read(" \n"), Ok(Told::Other)));
        for (line, words) in [
            ("{\"event\":\"req\"", "EOF"),
            ("{\"event\":\"tick\"", "EOF"),
            ("{\"t\":5}", "missing field `event`"),
            ("{\"event\":\"req\",\"t\":5,\"service_us\":1000000000000000}", "longer than an hour"),
            ("{\"event\":\"req\",\"t\":\"soon\"}", "invalid type"),
            ("{\"event\":\"hello\",\"schema\":7}", "the format is 7, and not 1"),
            ("{\"event\":\"hello\",\"schema\":1,\"t\":18446744073709551615}", "is above"),
            (
                "{\"event\":\"hello\",\"schema\":1,\"backends\":[{\"backend\":1000000000}]}",
                "it has a backend 1000000000; numbers are from 1 to 10000",
            ),
        ] {
            let error = read(line).map(|_| ()).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        assert!(Told::read(b"\xff\xfe").is_err());
    }

    #[test]
    fn a_change_of_the_policy_or_of_a_backend_is_read() {
        for (line, expected) in [
            (r#"{"event":"control","t":5,"what":"policy random -> ring","by":"x"}"#, Some("ring")),
            (
                r#"{"event":"control","t":5,"what":"w","change":{"kind":"policy","policy":"ring"}}"#,
                Some("ring"),
            ),
            (r#"{"event":"control","t":5,"what":"w","change":{"kind":"ghost","policy":"ring"}}"#, None),
            (r#"{"event":"control","t":5,"what":"kill backend 2","change":null}"#, None),
            (r#"{"event":"control","t":5,"change":{"kind":"weight","backend":1000000000}}"#, None),
            (r#"{"event":"control","t":5,"change":{"kind":"new kind","x":[1]}}"#, None),
        ] {
            match (Told::read(line.as_bytes()).unwrap(), expected) {
                (Told::Policy(5, policy), Some(expected)) => assert_eq!(policy, expected, "{line}"),
                (Told::Other, None) => {}
                (told, _) => panic!("{line}: {told:?}"),
            }
        }
        for (change, expected) in [
            (r#"{"kind":"weight","backend":2,"weight":7}"#, MemberChange::Weight(7)),
            (r#"{"kind":"mode","backend":2,"mode":"drain"}"#, MemberChange::Ready(false)),
            (r#"{"kind":"mode","backend":2,"mode":"ready"}"#, MemberChange::Ready(true)),
        ] {
            let told = Told::read(format!(r#"{{"event":"control","t":5,"change":{change}}}"#).as_bytes());
            assert!(matches!(told, Ok(Told::Member(5, 2, found)) if found == expected), "{change}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut text = vec![b'x'; LONGEST + 100];
        text.extend(b"\n{}\nlast");
        let (mut input, mut line) = (io::BufReader::new(&text[..]), Vec::new());
        assert!(read_line(&mut input, &mut line).unwrap());
        assert_eq!(line.len(), LONGEST + 1);
        assert!(Told::read(&line).unwrap_err().contains("the line is longer than"));
        let mut rest = Vec::new();
        while read_line(&mut input, &mut line).unwrap() {
            rest.push(String::from_utf8_lossy(&line).into_owned());
        }
        assert_eq!(rest, ["{}\n", "last"]);
    }
}
