//! The laws of claims: which values agree with what a claim says, given the number of draws that happened.
//!
//! A band is wide enough that a correct system leaves it in one of a million runs ([`ALPHA`]), and as narrow
//! as that allows. So no tolerance is chosen by hand.

use std::fmt;

/// The probability of a false alarm, for one claim in one run.
pub const ALPHA: f64 = 1e-6;

/// What a claim says of its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// The value is this number, or differs from it by at most `within`.
    Exact {
        /// The number.
        value: f64,
        /// The largest difference.
        within: f64,
    },
    /// The value is at least this number: a proven inequality, or a threshold with a wide margin.
    AtLeast(f64),
    /// The value is at most this number.
    AtMost(f64),
    /// The value counts how often something happened that has this probability.
    Binomial {
        /// The probability, from 0 to 1.
        share: f64,
        /// The number of independent draws.
        draws: u64,
    },
}

/// The values that agree with a law, from the least to the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub most: f64,
}

impl Band {
    /// Whether a value is in the band. A value that is not a number is not.
    pub fn has(self, value: f64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least.is_finite(), self.most.is_finite()) {
            (true, true) if self.least == self.most => write!(f, "{}", number(self.least)),
            (true, true) => write!(f, "{} to {}", number(self.least), number(self.most)),
            (true, false) => write!(f, "at least {}", number(self.least)),
            (false, true) => write!(f, "at most {}", number(self.most)),
            (false, false) => f.write_str("any number"),
        }
    }
}

/// A number with four digits, without zeros at its end.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "no number".to_owned();
    }
    let digits =
        if value == 0.0 { 0 } else { (3 - libm::floor(libm::log10(value.abs())) as i32).clamp(0, 6) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

impl Law {
    /// The values that agree with it, if `comparisons` claims share the probability of a false alarm.
    pub fn band(self, comparisons: u32) -> Band {
        match self {
            Self::Exact { value, within } => Band { least: value - within, most: value + within },
            Self::AtLeast(least) => Band { least, most: f64::INFINITY },
            Self::AtMost(most) => Band { least: f64::NEG_INFINITY, most },
            Self::Binomial { share, draws } => binomial(share, draws, ALPHA / f64::from(comparisons.max(1))),
        }
    }
}

/// The counts that a binomial variable leaves with a probability of at most `alpha`, half of it at each end.
fn binomial(share: f64, draws: u64, alpha: f64) -> Band {
    let share = share.clamp(0.0, 1.0);
    let most = greatest(share, draws, alpha / 2.0);
    // The other end is the same for what did not happen.
    let least = draws - greatest(1.0 - share, draws, alpha / 2.0);
    Band { least: least as f64, most: most as f64 }
}

/// The least count that is exceeded with a probability of at most `tail`: exact, by adding up the terms from
/// the upper end.
fn greatest(share: f64, draws: u64, tail: f64) -> u64 {
    if share <= 0.0 {
        return 0;
    }
    if share >= 1.0 {
        return draws;
    }
    let n = draws as f64;
    let term = |count: f64| {
        let ways = libm::lgamma(n + 1.0) - libm::lgamma(count + 1.0) - libm::lgamma(n - count + 1.0);
        libm::exp(ways + count * libm::log(share) + (n - count) * libm::log1p(-share))
    };
    let mut above = 0.0;
    let mut count = draws;
    while count > 0 {
        above += term(count as f64);
        if above > tail {
            return count;
        }
        count -= 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_of_a_binomial_is_that_of_the_exact_distribution() {
        // 4 draws of a fair coin: 4 heads have the probability 1/16, 3 or more 5/16.
        for (share, draws, alpha, least, most) in [
            (0.5, 4, 0.1, 0.0, 4.0),
            (0.5, 4, 0.2, 1.0, 3.0),
            (0.5, 4, 0.6, 1.0, 3.0),
            (0.5, 4, 0.7, 2.0, 2.0),
            (0.0, 10, 1e-6, 0.0, 0.0),
            (1.0, 10, 1e-6, 10.0, 10.0),
            (0.25, 0, 1e-6, 0.0, 0.0),
        ] {
            let band = binomial(share, draws, alpha);
            assert_eq!((band.least, band.most), (least, most), "{share} {draws} {alpha}");
        }
    }

    #[test]
    fn a_large_binomial_is_nearly_normal() {
        // sd 27.386; 4.89 sd are 134.
        let band = Law::Binomial { share: 0.25, draws: 4000 }.band(1);
        assert!((866.0..=869.0).contains(&band.least) && (1133.0..=1138.0).contains(&band.most), "{band}");
        let shared = Law::Binomial { share: 0.25, draws: 4000 }.band(80);
        assert!(shared.least < band.least && shared.most > band.most, "{shared}");
    }

    #[test]
    fn a_band_has_its_ends_and_no_other_numbers() {
        let band = Law::Exact { value: 100.0, within: 1.0 }.band(1);
        for (value, expected) in
            [(99.0, true), (101.0, true), (98.9, false), (101.1, false), (f64::NAN, false)]
        {
            assert_eq!(band.has(value), expected, "{value}");
        }
        assert!(Law::AtLeast(3.0).band(1).has(3.0) && !Law::AtLeast(3.0).band(1).has(2.99));
        assert!(Law::AtMost(3.0).band(1).has(3.0) && !Law::AtMost(3.0).band(1).has(3.01));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (25.0, "25"),
            (0.12345, "0.1235"),
            (1234.56, "1235"),
            (1e6, "1000000"),
            (2.5, "2.5"),
            (f64::NAN, "no number"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
