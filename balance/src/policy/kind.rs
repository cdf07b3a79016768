//! The kinds of policies by name, and their properties.

use std::fmt;
use std::str::FromStr;

use strum::VariantArray;

use super::{Kind, Teaching};
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
    /// The policy with this name. The names of policies for teaching are known only if `teaching` holds.
    ///
    /// # Errors
    /// There is no such policy, or it is one for teaching and `teaching` does not hold. The error says what
    /// to write instead.
    pub fn named(text: &str, teaching: bool) -> Result<Self, String> {
        match (text.parse(), names::parse(text, "no policy").map(Self::Teaching)) {
            (Ok(kind), _) => Ok(kind),
            (Err(_), Ok(kind)) if teaching => Ok(kind),
            (Err(_), Ok(_)) => Err(format!(
                "'{text}' is a policy for teaching, which is wrong on purpose; set teaching to true as well, or write \
                 one of {}",
                names::of::<Self>().join(", ")
            )),
            (Err(why), Err(_)) if !teaching => Err(why),
            (Err(why), Err(_)) => Err(format!("{why}, {}", names::of::<Teaching>().join(", "))),
        }
    }

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

    /// Whether the policy uses what backends report of their load.
    pub const fn uses_reports(self) -> bool {
        matches!(self, Self::Reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_for_teaching_is_found_only_by_those_who_ask_for_it() {
        for teaching in Teaching::VARIANTS {
            let (kind, name) = (Kind::Teaching(*teaching), teaching.about().name);
            assert_eq!(Kind::named(name, true), Ok(kind));
            assert!(name.parse::<Kind>().is_err() && !Kind::VARIANTS.contains(&kind), "{name}");
            let error = Kind::named(name, false).unwrap_err();
            assert!(error.contains("a policy for teaching"), "{error}");
        }
        for kind in Kind::VARIANTS {
            let both = [true, false].map(|teaching| Kind::named(kind.name(), teaching));
            assert_eq!(both, [Ok(*kind), Ok(*kind)]);
        }
        let [all, normal] = [true, false].map(|teaching| Kind::named("modulus", teaching).unwrap_err());
        assert!(all.contains("affinity, in-blocks, ") && all.contains("mutant-5"), "{all}");
        assert!(normal.contains("rendezvous") && !normal.contains("in-blocks"), "{normal}");
    }

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
