//! What every other policy would have done with the same requests: the table that `sim replay` calculates.

use serde::Deserialize;

/// The figures of the simulator for each policy, or the reason why there are none.
#[derive(Clone, Debug, PartialEq)]
pub enum Replays {
    /// One row for each policy. The row with the policy `live` is what happened.
    Known(Vec<Replay>),
    /// They are not available. The text says why, as the rest of a sentence.
    Missing(String),
}

/// The figures of one policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Replay {
    /// The name of the policy, or `live`.
    pub policy: String,
    /// Requests that ended.
    pub calls: u64,
    /// Requests that did not get an answer below 400.
    pub errors: u64,
    /// The mean latency, in milliseconds.
    pub mean_ms: f64,
    /// The median of the latency, in milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile, in milliseconds, if it was told.
    pub p95_ms: Option<f64>,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// The largest share of the requests that went to one backend first, from 0 to 1.
    pub max_share: f64,
}

/// The policy of the row that is what happened.
const LIVE: &str = "live";

impl Replays {
    /// Reads what `sim replay FILE --json` prints: a document for each policy, one after the other.
    pub fn read(json: &str) -> Self {
        let rows: Result<Vec<Replay>, _> =
            serde_json::Deserializer::from_str(json).into_iter::<Replay>().collect();
        match rows {
            Ok(rows) if rows.iter().any(|row| row.policy != LIVE) => Self::Known(rows),
            Ok(_) => Self::Missing("the simulator told no policy".to_owned()),
            Err(error) => Self::Missing(format!("the output of the simulator cannot be read: {error}")),
        }
    }

    /// The difference between the means of the simulated and the live policy, in per cent of the live mean.
    pub(super) fn difference(rows: &[Replay], policy: &str) -> Option<f64> {
        let mean = |name: &str| rows.iter().find(|row| row.policy == name).map(|row| row.mean_ms);
        let (live, simulated) = (mean(LIVE)?, mean(policy)?);
        (live > 0.0).then(|| 100.0 * (simulated / live - 1.0))
    }
}

impl Replay {
    /// The name in words.
    pub(super) fn name(&self) -> &str {
        if self.policy == LIVE { "what happened" } else { &self.policy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_the_simulator_is_read() {
        let line = |policy: &str, mean: f64| {
            format!(
                "{{\"policy\":\"{policy}\",\"seed\":0,\"calls\":9,\"errors\":1,\"mean_ms\":{mean},\"p99_ms\":40.5}}\n"
            )
        };
        let text = line("live", 20.0) + &line("random", 25.0);
        let Replays::Known(rows) = Replays::read(&text) else { panic!("{text}") };
        let random = Replay {
            policy: "random".into(),
            calls: 9,
            errors: 1,
            mean_ms: 25.0,
            p99_ms: 40.5,
            ..Replay::default()
        };
        assert_eq!(rows[1], random);
        assert_eq!(Replays::difference(&rows, "random"), Some(25.0));
        assert_eq!(Replays::difference(&rows, "ring"), None);
    }

    #[test]
    fn output_without_policies_is_a_reason() {
        for (text, expected) in [
            ("", "told no policy"),
            ("{\"policy\":\"live\"}", "told no policy"),
            ("error: no", "cannot be read: expected value at line 1"),
            ("{\"policy\":\"random\"}\n{\"policy\":", "cannot be read: EOF"),
        ] {
            let Replays::Missing(why) = Replays::read(text) else { panic!("{text}") };
            assert!(why.contains(expected), "{why}");
        }
    }
}
