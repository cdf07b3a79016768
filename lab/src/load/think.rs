//! How long does a client of a closed loop wait between an answer and its next request?
//!
//! Pure.

use std::time::Duration;

use super::draws::Draws;

/// The time from an answer to the next request of the same client, in closed loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Think {
    /// Always the same.
    Fixed(Duration),
    /// Exponential, with this mean.
    Exponential(Duration),
}

impl Think {
    /// The time after one answer; a random time is in whole microseconds.
    pub(super) fn draw(self, mut draws: Draws) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Exponential(mean) => {
                let microseconds = mean.as_secs_f64() * 1e6 * draws.exponential();
                Duration::from_micros(microseconds.round() as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draws::{Seed, What};
    use crate::load::laws::{distance, most_distance};

    #[test]
    fn times_have_their_law_for_each_client() {
        let mean = Duration::from_millis(20);
        for client in [0, 1] {
            let draw = |number| Think::Exponential(mean).draw(Seed(1).draws(What::Think { client }, number));
            let found = distance((0..10_000).map(|number| draw(number).as_secs_f64()).collect(), |time| {
                1.0 - (-time / 0.02).exp()
            });
            assert!(found < most_distance(10_000), "client {client}: {found}");
        }
        let fixed = Think::Fixed(mean).draw(Seed(1).draws(What::Think { client: 0 }, 0));
        assert_eq!(fixed, mean);
    }
}
