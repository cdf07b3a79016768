//! Values as people read them.

use std::time::Duration;

/// A duration in a suitable unit; a dash for none.
pub fn time(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return "-".into() };
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// An amount of memory, in bytes.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (micros, text) in
            [(0, "0.0 ms"), (940, "0.9 ms"), (9_960, "10 ms"), (251_000, "251 ms"), (1_249_000, "1.2 s")]
        {
            assert_eq!(time(Some(Duration::from_micros(micros))), text);
        }
        assert_eq!(time(None), "-");
    }

    #[test]
    fn memory_has_one_decimal() {
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
    }
}
