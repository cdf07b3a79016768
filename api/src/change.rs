//! A change of a lab that programs follow: a part of the event `control`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::Word;

/// A change that a console follows. As JSON, `kind` is the name of the variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    /// Another policy is in force.
    Policy {
        /// Its name.
        policy: Word,
    },
    /// Another mode of a backend.
    Mode {
        /// The number of the backend.
        backend: usize,
        /// `ready`, `drain` or `maintenance`.
        mode: Word,
    },
    /// Another weight of a backend.
    Weight {
        /// The number of the backend.
        backend: usize,
        /// The weight.
        weight: u32,
    },
    /// A new backend.
    Added {
        /// Its number.
        backend: usize,
        /// Its address, as in `http://localhost:3035`.
        url: String,
    },
    /// A backend that finishes its requests and gets no more.
    Removed {
        /// Its number.
        backend: usize,
    },
    /// Another ghost runs, or none. Only from a lab.
    Ghost {
        /// The name of its policy; `None` if no ghost runs now.
        #[serde(default)]
        policy: Option<Word>,
    },
    /// The lab is as it was at its start. Only from a lab.
    Reset,
    /// A secret fault began: the stream does not say which. Only from a lab.
    Secret {
        /// The time of its beginning.
        since: u64,
    },
    /// The secret fault is revealed. Only from a lab.
    Revealed {
        /// The number of the backend.
        backend: usize,
        /// The kind of the fault, such as `latency`.
        fault: Word,
        /// Microseconds from its beginning until now.
        after_us: u64,
    },
}

/// Reads a change. What cannot be read is no error: a newer balancer may know more kinds.
pub(crate) fn if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Change>, D::Error> {
    Value::deserialize(deserializer).map(|change| serde_json::from_value(change).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ControlChange;

    #[test]
    fn a_change_comes_back_as_it_was_and_an_unknown_one_is_left_out() {
        for (change, json) in [
            (Change::Policy { policy: "ring".into() }, r#"{"kind":"policy","policy":"ring"}"#),
            (Change::Weight { backend: 2, weight: 5 }, r#"{"kind":"weight","backend":2,"weight":5}"#),
            (
                Change::Added { backend: 5, url: "http://a:1".into() },
                r#"{"kind":"added","backend":5,"url":"http://a:1"}"#,
            ),
            (Change::Removed { backend: 5 }, r#"{"kind":"removed","backend":5}"#),
            (Change::Ghost { policy: Some("random".into()) }, r#"{"kind":"ghost","policy":"random"}"#),
            (Change::Ghost { policy: None }, r#"{"kind":"ghost","policy":null}"#),
            (Change::Reset, r#"{"kind":"reset"}"#),
            (Change::Secret { since: 7 }, r#"{"kind":"secret","since":7}"#),
            (
                Change::Revealed { backend: 3, fault: "latency".into(), after_us: 9 },
                r#"{"kind":"revealed","backend":3,"fault":"latency","after_us":9}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
            let control: ControlChange = serde_json::from_str(&format!(r#"{{"change":{json}}}"#)).unwrap();
            assert_eq!(control.change, Some(change));
        }
        for json in ["null", "7", r#"{"kind":"new"}"#, r#"{"kind":"weight","backend":2,"weight":-1}"#] {
            let text = format!(r#"{{"what":"words","change":{json}}}"#);
            let control: ControlChange = serde_json::from_str(&text).unwrap();
            assert_eq!((&*control.what, control.change), ("words", None), "{json}");
        }
    }
}
