//! The policies by name: what people write, and what it makes.

use std::str::FromStr;
use std::sync::Arc;

use super::{
    BoundedRing, LeastConnections, LeastTime, Maglev, PeakEwma, Policy, Random, Rendezvous, Ring, RoundRobin,
    TwoChoices, WeightedRandom, WeightedRoundRobin,
};
use strum::{Display, IntoStaticStr, VariantArray};

use crate::names::parse;

/// Every policy there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// Everybody in turn.
    #[default]
    RoundRobin,
    /// Everybody in turn, some more often.
    WeightedRoundRobin,
    /// By lot.
    Random,
    /// By lot, some with more chances.
    WeightedRandom,
    /// Whoever has the fewest requests in flight.
    LeastConnections,
    /// The less loaded of two drawn by lot.
    TwoChoices,
    /// The one of two drawn by lot that seems to answer sooner, by a mean that jumps up and sinks slowly.
    PeakEwma,
    /// Whoever seems to answer first.
    LeastTime,
    /// The same key to the same backend, by the next point on a ring.
    Ring,
    /// The same, unless that backend has much more to do than the others.
    BoundedRing,
    /// The same key to the same backend, by a table that is looked up once.
    Maglev,
    /// The same key to the same backend, by the highest of all scores.
    Rendezvous,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, "no policy")
    }
}

impl Kind {
    /// The name that people write.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// A policy of this kind, at its beginning. `load_factor` is for [`BoundedRing`], in percent.
    pub fn make(self, load_factor: u32) -> Arc<dyn Policy> {
        match self {
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::WeightedRoundRobin => Arc::new(WeightedRoundRobin::default()),
            Self::Random => Arc::new(Random),
            Self::WeightedRandom => Arc::new(WeightedRandom::default()),
            Self::LeastConnections => Arc::new(LeastConnections::default()),
            Self::TwoChoices => Arc::new(TwoChoices),
            Self::PeakEwma => Arc::new(PeakEwma),
            Self::LeastTime => Arc::new(LeastTime),
            Self::Ring => Arc::new(Ring::default()),
            Self::BoundedRing => Arc::new(BoundedRing::new(load_factor)),
            Self::Maglev => Arc::new(Maglev::default()),
            Self::Rendezvous => Arc::new(Rendezvous),
        }
    }

    /// Whether it goes by turns, so that a retry must not take a turn from a first attempt.
    pub fn keeps_turns(self) -> bool {
        matches!(self, Self::RoundRobin | Self::WeightedRoundRobin)
    }

    /// Whether weights make a difference to it.
    pub fn heeds_weights(self) -> bool {
        !matches!(self, Self::RoundRobin | Self::Random)
    }

    /// Whether it picks by a key of the request, such as its client's address.
    pub fn wants_key(self) -> bool {
        matches!(self, Self::Ring | Self::BoundedRing | Self::Maglev | Self::Rendezvous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_policies_and_back() {
        for kind in Kind::VARIANTS {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        let error = "leastconn".parse::<Kind>().unwrap_err();
        assert!(
            error.contains("write one of round-robin, ") && error.contains("least-connections"),
            "{error}"
        );
    }
}
