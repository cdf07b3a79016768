//! The policies: one trait, and one file for each policy.
//!
//! Each file begins with the idea of its policy, its formula, its source, its cost, and the cases in which it
//! is wrong. `docs/policies.md` lists all of them; a test prints the list from [`About`]. Policies that are
//! wrong on purpose are in [`Teaching`].

mod about;
#[cfg(test)]
pub(crate) mod contract;
mod list;
mod pick_rule;
mod request;
mod sent_keys;
mod stale_view;
mod teaching;

pub use about::{About, Policy, Settings};
use strum::VariantArray;

pub(crate) use list::{index_of, mix};
pub use pick_rule::PickRule;
pub use request::{Notes, Request};
pub(crate) use stale_view::StaleView;
pub use teaching::Teaching;

/// Makes a module, a [`Kind`] and a test of each policy.
macro_rules! policies {
    ($($module:ident $kind:ident,)*) => {
        $(mod $module;)*

        /// All policies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("See `policy/", stringify!($module), ".rs`.")]
                $kind,
            )*
            /// A policy that is wrong on purpose. It is not in [`VariantArray::VARIANTS`], so no list of
            /// policies has it.
            Teaching(Teaching),
        }

        impl VariantArray for Kind {
            const VARIANTS: &'static [Self] = &[$(Self::$kind,)*];
        }

        impl Kind {
            /// The description for users.
            pub const fn about(self) -> &'static About {
                match self {
                    $(Self::$kind => &$module::ABOUT,)*
                    Self::Teaching(teaching) => teaching.about(),
                }
            }

            /// A policy of this kind, in its initial state.
            pub fn make(self, settings: Settings) -> std::sync::Arc<dyn Policy> {
                match self {
                    $(Self::$kind => $module::make(settings),)*
                    Self::Teaching(teaching) => teaching.make(settings),
                }
            }
        }

        /// A test checks every property of the contract for each policy.
        #[cfg(test)]
        mod under_contract {
            $(
                #[test]
                fn $module() {
                    super::contract::hold(super::Kind::$kind, super::$module::TERMS);
                }
            )*
        }
    };
}

// A new policy is a file of its own, and a line here.
policies! {
    round_robin RoundRobin,
    weighted_round_robin WeightedRoundRobin,
    random Random,
    weighted_random WeightedRandom,
    least_connections LeastConnections,
    two_choices TwoChoices,
    peak_ewma PeakEwma,
    least_time LeastTime,
    ring Ring,
    bounded_ring BoundedRing,
    maglev Maglev,
    rendezvous Rendezvous,
    reported Reported,
    score Score,
    affinity Affinity,
}

mod kind;
