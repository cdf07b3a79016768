//! The five balancers of the exam, lesson 25. One is correct, and four have a known mistake. This file has
//! the answers of the exam.

use std::sync::Arc;

use super::draws::Draws;
use super::in_blocks::InBlocks;
use crate::policy::about::{About, Policy, Settings};
#[cfg(test)]
use crate::policy::contract::{Bound, Terms};
use crate::policy::request::Notes;
use crate::policy::two_choices;

/// The description of one of the five. It does not say which one it is.
const fn about(name: &'static str) -> About {
    About {
        name,
        picks: "one of the five balancers of the exam",
        looks_at: "find out",
        cost: "find out",
        keeps_turns: false,
        uses_weights: true,
        uses_key: false,
        because,
    }
}

fn because(notes: &Notes) -> String {
    match notes.drawn.is_empty() {
        true => "the balancer gives no reason".to_owned(),
        false => format!("it has drawn {}", notes.drawn()),
    }
}

/// The terms of two choices, with what a mistake in the draws or in the comparison breaks.
#[cfg(test)]
const fn draws_two(declines: &'static [(&'static str, &'static str)]) -> Terms {
    Terms { draws_two: true, declines, ..Terms::sharing(Bound::Of(0.3)) }
}

/// A module for each of the five: its name, its policy, and its terms.
macro_rules! mutants {
    ($($module:ident $name:literal $policy:expr, $terms:expr;)*) => {
        $(pub(super) mod $module {
            use crate::policy::teaching::exam::*;

            pub(crate) const ABOUT: About = about($name);

            pub(crate) const MISTAKE: &str = "four of the five have a mistake: find it in lesson 25";

            pub(crate) fn make(settings: Settings) -> Arc<dyn Policy> {
                let make: fn(Settings) -> Arc<dyn Policy> = $policy;
                make(settings)
            }

            #[cfg(test)]
            pub(crate) const TERMS: Terms = $terms;
        })*
    };
}

mutants! {
    mutant_1 "mutant-1" |_| Arc::new(Draws::NEIGHBOUR),
        draws_two(&[("two distinct and the lesser", "neighbours meet more often than others")]);
    mutant_2 "mutant-2" |_| Arc::new(InBlocks::default()),
        Terms::sharing(Bound::Picks(1.0));
    mutant_3 "mutant-3" two_choices::make,
        draws_two(&[]);
    mutant_4 "mutant-4" |_| Arc::new(Draws::LAST),
        draws_two(&[
            ("fair shares", "it does not use weights"),
            ("extreme weights", "it does not use weights"),
            ("two distinct and the lesser", "the load does not decide"),
        ]);
    mutant_5 "mutant-5" |_| Arc::new(Draws::ONE_TWICE),
        draws_two(&[
            ("fair shares", "a backend that is drawn twice wins, whatever its weight"),
            ("extreme weights", "a backend that is drawn twice wins, whatever its weight"),
            ("two distinct and the lesser", "it may draw one backend twice"),
        ]);
}
