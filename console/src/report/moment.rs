//! Times in words.

use std::time::{Duration, UNIX_EPOCH};

/// The last second that has a date with four digits of the year, in microseconds since 1970.
const LAST: u64 = 253_402_300_799_000_000;

/// A time as seconds since the beginning of the recording.
pub(super) fn seconds(t: u64, begin: u64) -> String {
    format!("{:.1} s", t.saturating_sub(begin) as f64 / 1e6)
}

/// A duration in milliseconds.
pub(super) fn milliseconds(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1e3)
}

/// The same, or a dash for a value that is not known.
pub(super) fn maybe_milliseconds(us: Option<u64>) -> String {
    us.map_or_else(|| "-".to_owned(), milliseconds)
}

/// A date and a time of day, from microseconds since 1970.
pub(super) fn date(unix_us: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_micros(unix_us.min(LAST)))
        .to_string()
        .replace('T', " ")
        .replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelt() {
        assert_eq!(date(1_790_000_000_000_000), "2026-09-21 14:13:20 UTC");
        assert_eq!(date(u64::MAX), "9999-12-31 23:59:59 UTC");
        assert_eq!((seconds(5_250_000, 5_000_000), seconds(1, 5)), ("0.2 s".into(), "0.0 s".into()));
        assert_eq!((milliseconds(20_374), maybe_milliseconds(None)), ("20.4 ms".into(), "-".into()));
    }
}
