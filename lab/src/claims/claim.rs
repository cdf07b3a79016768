//! One claim, and whether it holds.

use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::spell::time;

/// A claim about runs of one kind, whose measurements are an `R`.
#[derive(Debug)]
pub struct Claim<R: 'static> {
    /// The sentence. `{}` in it stands for the bound of the tolerance.
    pub says: &'static str,
    /// What a run measured of it.
    pub measured: fn(&R) -> Measured,
    /// The values with which it holds.
    pub tolerance: Tolerance,
    /// Changes the measurements of a good run so that this claim is broken, and no other.
    pub counter_case: fn(&mut R),
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number of things.
    Count(u64),
    /// A time.
    Time(Duration),
    /// A share, in percent.
    Percent(f64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Time(time) => time.as_secs_f64(),
            Self::Percent(percent) => percent,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Time(took) => f.write_str(&time(Some(*took))),
            Self::Percent(percent) => write!(f, "{percent:.0} %"),
        }
    }
}

/// What a run measured of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The value; `None` if the run says nothing about the claim, which breaks it.
    pub value: Option<Value>,
    /// The same for people, with what belongs to it.
    pub words: String,
}

impl Measured {
    /// A value that needs no more words.
    pub fn plain(value: Value) -> Self {
        Self { value: Some(value), words: value.to_string() }
    }

    /// A value in other words.
    pub fn told(value: Option<Value>, words: String) -> Self {
        Self { value, words }
    }
}

/// The values with which a claim holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// This value or less.
    AtMost(Value),
    /// Less than this value.
    Below(Value),
    /// This value or more.
    AtLeast(Value),
}

impl Tolerance {
    /// No thing at all.
    pub const NONE: Self = Self::AtMost(Value::Count(0));

    fn bound(self) -> Value {
        match self {
            Self::AtMost(bound) | Self::Below(bound) | Self::AtLeast(bound) => bound,
        }
    }

    /// Whether a claim holds with this value. A value of another kind than the bound proves nothing.
    pub fn admits(self, value: Value) -> bool {
        let (number, bound) = (value.number(), self.bound().number());
        let is_within = match self {
            Self::AtMost(_) => number <= bound,
            Self::Below(_) => number < bound,
            Self::AtLeast(_) => number >= bound,
        };
        is_within && discriminant(&value) == discriminant(&self.bound())
    }
}

/// A claim that was compared with a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The sentence.
    pub claim: String,
    /// What the run measured of it.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "ok    " } else { "BROKEN" };
        write!(f, "{word}  {}: {}", self.claim, self.measured)
    }
}

/// Compares the claims with the measurements of a run.
pub fn judge<R>(claims: &[Claim<R>], run: &R) -> Vec<Verdict> {
    let verdict = |claim: &Claim<R>| {
        let Measured { value, words } = (claim.measured)(run);
        Verdict {
            claim: claim.says.replace("{}", &claim.tolerance.bound().to_string()),
            measured: words,
            holds: value.is_some_and(|value| claim.tolerance.admits(value)),
        }
    };
    claims.iter().map(verdict).collect()
}

/// Fails if a claim is broken.
///
/// # Errors
/// If a claim is broken; the error has these traces, for finding the reason.
pub fn ensure_all_hold(verdicts: &[Verdict], traces: impl FnOnce() -> String) -> Result<()> {
    let broken = verdicts.iter().filter(|verdict| !verdict.holds).count();
    ensure!(broken == 0, "{broken} of {} claims broken\n{}", verdicts.len(), traces());
    Ok(())
}

/// The faults of the claims themselves, one line each: a claim that a good run breaks, and a claim whose
/// counter-case does not break it, or breaks others too. A claim that nothing can break says nothing.
pub fn faults_of<R: Clone>(claims: &[Claim<R>], good: &R) -> Vec<String> {
    let broken = |run: &R| -> Vec<String> {
        judge(claims, run).into_iter().filter(|verdict| !verdict.holds).map(|verdict| verdict.claim).collect()
    };
    let by_good = broken(good).into_iter().map(|claim| format!("a good run breaks: {claim}"));
    let by_counter_case = claims.iter().zip(judge(claims, good)).filter_map(|(claim, verdict)| {
        let mut run = good.clone();
        (claim.counter_case)(&mut run);
        let broken = broken(&run);
        (broken != [verdict.claim.as_str()])
            .then(|| format!("the counter-case of {:?} breaks {broken:?}", verdict.claim))
    });
    by_good.chain(by_counter_case).collect()
}

/// The indices of the claims that this run breaks.
#[cfg(test)]
pub(super) fn broken<R>(claims: &[Claim<R>], run: &R) -> Vec<usize> {
    let verdicts = judge(claims, run);
    verdicts.iter().enumerate().filter(|(_, verdict)| !verdict.holds).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Value = |ms| Value::Time(Duration::from_millis(ms));

    #[test]
    fn a_tolerance_admits_its_own_kind_of_value_only() {
        for (tolerance, value, expected) in [
            (Tolerance::NONE, Value::Count(0), true),
            (Tolerance::NONE, Value::Count(1), false),
            (Tolerance::NONE, Value::Percent(0.0), false),
            (Tolerance::Below(MS(250)), MS(249), true),
            (Tolerance::Below(MS(250)), MS(250), false),
            (Tolerance::AtMost(MS(250)), MS(250), true),
            (Tolerance::AtMost(MS(250)), Value::Count(0), false),
            (Tolerance::AtLeast(Value::Percent(90.0)), Value::Percent(90.0), true),
            (Tolerance::AtLeast(Value::Percent(90.0)), Value::Percent(f64::NAN), false),
        ] {
            assert_eq!(tolerance.admits(value), expected, "{tolerance:?} {value:?}");
        }
    }

    fn claim(counter_case: fn(&mut [u64; 2])) -> Claim<[u64; 2]> {
        Claim {
            says: "the first is {} or less",
            measured: |run| Measured::plain(Value::Count(run[0])),
            tolerance: Tolerance::AtMost(Value::Count(5)),
            counter_case,
        }
    }

    #[test]
    fn a_verdict_is_a_line() {
        let claims = [claim(|run| run[0] = 6)];
        assert_eq!(judge(&claims, &[3, 0])[0].to_string(), "ok      the first is 5 or less: 3");
        assert_eq!(judge(&claims, &[6, 0])[0].to_string(), "BROKEN  the first is 5 or less: 6");
        assert!(ensure_all_hold(&judge(&claims, &[3, 0]), String::new).is_ok());
        let error = ensure_all_hold(&judge(&claims, &[6, 0]), || "a trace".into()).unwrap_err();
        assert_eq!(error.to_string(), "1 of 1 claims broken\na trace");
    }

    #[test]
    fn a_claim_without_a_value_is_broken() {
        let claims =
            [Claim { measured: |_: &[u64; 2]| Measured::told(None, "none".into()), ..claim(|_| {}) }];
        assert!(!judge(&claims, &[0, 0])[0].holds);
    }

    #[test]
    fn a_claim_that_its_counter_case_does_not_break_is_found() {
        assert_eq!(faults_of(&[claim(|run| run[0] = 6)], &[0, 0]), [""; 0]);
        assert_eq!(faults_of(&[claim(|run| run[1] = 6)], &[0, 0]).len(), 1);
        assert_eq!(
            faults_of(&[claim(|run| run[0] = 6)], &[6, 0]),
            ["a good run breaks: the first is 5 or less"]
        );
        let twice = [claim(|run| run[0] = 6), Claim { says: "the same", ..claim(|run| run[0] = 6) }];
        assert_eq!(faults_of(&twice, &[0, 0]).len(), 2, "each counter-case breaks both");
    }
}
