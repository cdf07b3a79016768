//! The meaning of a path.

use std::time::Duration;

use crate::fields::excerpt;

/// The longest `/delay/<ms>`.
const MAX_DELAY_MS: u64 = 60_000;

/// The longest `/busy/<us>`.
pub(super) const MAX_WORK_US: u64 = 60_000_000;

/// The longest `/bytes/<n>`: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;

/// The action for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The identity of the backend, and the request.
    Identity,
    /// The same after a delay.
    Delay(Duration),
    /// The same after this amount of work.
    Work(Duration),
    /// The body of the request.
    Echo,
    /// This many bytes.
    Bytes(u64),
    /// A connection that echoes bytes after 101.
    Upgrade,
    /// No answer: the connection closes, as when a handler panics.
    Die,
    /// A mistake in the request, with the reason.
    Mistake(String),
}

impl Route {
    /// Reads a path. Unknown paths mean [`Route::Identity`].
    pub(super) fn of(path: &str) -> Self {
        if path == "/echo" {
            Self::Echo
        } else if path == "/upgrade" {
            Self::Upgrade
        } else if path == "/die" {
            Self::Die
        } else if let Some(number) = path.strip_prefix("/delay/") {
            ending(MAX_DELAY_MS, number, path, "milliseconds")
                .map_or_else(Self::Mistake, |number| Self::Delay(Duration::from_millis(number)))
        } else if let Some(number) = path.strip_prefix("/busy/") {
            ending(MAX_WORK_US, number, path, "microseconds")
                .map_or_else(Self::Mistake, |number| Self::Work(Duration::from_micros(number)))
        } else if let Some(number) = path.strip_prefix("/bytes/") {
            ending(MAX_BYTES, number, path, "bytes").map_or_else(Self::Mistake, Self::Bytes)
        } else {
            Self::Identity
        }
    }
}

/// The number at the end of a path, or the mistake.
fn ending(max: u64, number: &str, path: &str, unit: &str) -> Result<u64, String> {
    number_up_to(max, number, unit).map_err(|right| format!("{}: end it with {right}", excerpt(path)))
}

/// Reads a whole number. The error is a description of a right one.
pub(super) fn number_up_to(max: u64, number: &str, unit: &str) -> Result<u64, String> {
    match number.parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("a whole number of {unit}, 0 to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_they_say() {
        for (path, route) in [
            ("/", Route::Identity),
            ("/delay", Route::Identity),
            ("/echoes", Route::Identity),
            ("/echo", Route::Echo),
            ("/upgrade", Route::Upgrade),
            ("/die", Route::Die),
            ("/dies", Route::Identity),
            ("/delay/0", Route::Delay(Duration::ZERO)),
            ("/delay/60000", Route::Delay(Duration::from_secs(60))),
            ("/busy/250", Route::Work(Duration::from_micros(250))),
            ("/bytes/1073741824", Route::Bytes(1 << 30)),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
        for path in ["/busy/", "/busy/60000001", "/busy/1ms"] {
            assert!(matches!(Route::of(path), Route::Mistake(_)), "{path}");
        }
        for path in ["/delay/", "/delay/60001", "/delay/-1", "/delay/1s", "/bytes/1073741825", "/bytes/x"] {
            assert!(matches!(Route::of(path), Route::Mistake(_)), "{path}");
        }
    }
}
