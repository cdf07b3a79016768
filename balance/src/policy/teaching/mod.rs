//! Policies for teaching: each is wrong on purpose, or shows a step between two other policies.
//!
//! They are no variants of [`Kind::VARIANTS`](super::Kind), and [`str::parse`] does not find their names. A
//! program that wants them asks for them by [`Kind::named`](super::Kind::named). Most of the mistakes are
//! from real balancers. The contract of the policies checks them too: each declines the properties that it
//! breaks.

use std::sync::Arc;

use super::about::{About, Policy, Settings};

mod best_of_three;
mod draws;
mod exam;
mod in_blocks;
mod modulo;
mod skip_dead;

use exam::{mutant_1, mutant_2, mutant_3, mutant_4, mutant_5};

/// Makes a [`Teaching`] and a test of each policy for teaching.
macro_rules! teaching {
    ($($module:ident $kind:ident,)*) => {
        /// All policies for teaching.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
        pub enum Teaching {
            $(
                #[doc = concat!("See `policy/teaching`, `", stringify!($module), "`.")]
                $kind,
            )*
        }

        impl Teaching {
            /// The description for users.
            pub const fn about(self) -> &'static About {
                match self {
                    $(Self::$kind => &$module::ABOUT,)*
                }
            }

            /// What is wrong with it, in words for users.
            pub const fn mistake(self) -> &'static str {
                match self {
                    $(Self::$kind => $module::MISTAKE,)*
                }
            }

            /// A policy of this kind, in its initial state.
            pub fn make(self, settings: Settings) -> Arc<dyn Policy> {
                match self {
                    $(Self::$kind => $module::make(settings),)*
                }
            }
        }

        /// A test checks every property of the contract for each policy.
        #[cfg(test)]
        mod under_contract {
            $(
                #[test]
                fn $module() {
                    use super::super::{Kind, contract};
                    contract::hold(Kind::Teaching(super::Teaching::$kind), super::$module::TERMS);
                }
            )*
        }
    };
}

teaching! {
    in_blocks InBlocks,
    skip_dead SkipDead,
    modulo Modulo,
    best_of_three BestOfThree,
    mutant_1 Mutant1,
    mutant_2 Mutant2,
    mutant_3 Mutant3,
    mutant_4 Mutant4,
    mutant_5 Mutant5,
}

impl From<Teaching> for &'static str {
    fn from(teaching: Teaching) -> Self {
        teaching.about().name
    }
}
