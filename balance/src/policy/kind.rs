//! The kinds of policies by name, and their properties.

use std::fmt;
use std::str::FromStr;

use strum::VariantArray;

use super::Kind;
use crate::names;

impl Default for Kind {
    /// The first one.
    fn default() -> Self {
        Self::VARIANTS[0]
    }
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        kind.name()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "no policy")
    }
}

impl Kind {
    /// The name in settings.
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// Whether it picks by turns, so that a retry must not take a turn from a first attempt.
    pub const fn keeps_turns(self) -> bool {
        self.about().keeps_turns
    }

    /// Whether the policy uses weights.
    pub const fn uses_weights(self) -> bool {
        self.about().uses_weights
    }

    /// Whether the policy picks by a key of the request, such as its client's address.
    pub const fn uses_key(self) -> bool {
        self.about().uses_key
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
