//! The figures of a proxy in one round, and their notation.

/// A measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// CPU time per request, in microseconds.
    CpuPerRequest,
    /// The same for workloads in which every request transfers one mebibyte.
    CpuPerMebibyte,
    /// Answers a second.
    Rate,
    /// The share of its core that the proxy used, from 0 to 1.
    Busy,
    /// The median latency, in microseconds.
    P50,
    /// The 99th percentile of the latency, in microseconds.
    P99,
    /// The 99.9th percentile of the latency, in microseconds.
    P999,
    /// The share of the requests that could be sent before the load ended, from 0 to 1.
    Sent,
    /// Resident memory after the load, in bytes.
    Memory,
    /// The resident memory of one more idle connection, in bytes.
    MemoryPerConnection,
}

impl Figure {
    /// The heading of its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU/request",
            Self::CpuPerMebibyte => "CPU/MiB",
            Self::Rate => "requests/s",
            Self::Busy => "core used",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Sent => "sent",
            Self::Memory => "memory",
            Self::MemoryPerConnection => "memory/connection",
        }
    }

    /// The name in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU time per request (less is better)",
            Self::CpuPerMebibyte => "CPU time per MiB (less is better)",
            Self::Rate => "Requests per second, one core (more is better)",
            Self::Busy => "Share of the core used",
            Self::P50 => "Median latency (less is better)",
            Self::P99 => "99th percentile of latency (less is better)",
            Self::P999 => "99.9th percentile of latency (less is better)",
            Self::Sent => "Requests that could be sent (more is better)",
            Self::Memory => "Memory in total (less is better)",
            Self::MemoryPerConnection => "Memory per idle connection (less is better)",
        }
    }

    /// A value with its unit.
    pub(super) fn spell(self, value: f64) -> String {
        match self {
            Self::CpuPerRequest | Self::CpuPerMebibyte => format!("{value:.2} µs"),
            Self::Rate => format!("{value:.0}"),
            Self::Busy | Self::Sent => format!("{:.0} %", value * 100.0),
            Self::P50 | Self::P99 | Self::P999 => format!("{:.2} ms", value / 1000.0),
            Self::Memory => format!("{:.1} MB", value / 1e6),
            Self::MemoryPerConnection => format!("{:.2} KiB", value / 1024.0),
        }
    }
}

/// The figures of one proxy in one round.
#[derive(Clone, Debug)]
pub(super) struct Sample(Vec<(Figure, f64)>);

impl Sample {
    /// A sample with these figures only.
    pub(super) fn of(figures: &[(Figure, f64)]) -> Self {
        Self(figures.to_vec())
    }

    /// One of the figures, if it was measured.
    pub(super) fn get(&self, figure: Figure) -> Option<f64> {
        self.0.iter().find(|(known, _)| *known == figure).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        for (figure, value, spelt) in [
            (Figure::CpuPerRequest, 12.345, "12.35 µs"),
            (Figure::Rate, 51_234.6, "51235"),
            (Figure::Busy, 0.996, "100 %"),
            (Figure::P99, 2250.0, "2.25 ms"),
            (Figure::Memory, 5_040_000.0, "5.0 MB"),
            (Figure::MemoryPerConnection, 1536.0, "1.50 KiB"),
        ] {
            assert_eq!(figure.spell(value), spelt);
        }
    }

    #[test]
    fn a_sample_has_what_it_was_given() {
        let sample = Sample::of(&[(Figure::Rate, 5.0)]);
        assert_eq!(sample.get(Figure::Rate), Some(5.0));
        assert_eq!(sample.get(Figure::P99), None);
    }
}
