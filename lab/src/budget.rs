//! The allowed cost of a small request: it is in `lb/budget.toml`, and measurements are compared with it
//! here.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::binaries::workspace;

/// The path of the budget in the workspace.
const FILE: &str = "lb/budget.toml";

/// The allowed cost of a small request.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    instructions: f64,
    allocations: f64,
}

/// Costs of a request that can be counted without a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Instructions that the processor executes in user space.
    Instructions,
    /// Requests for memory, new or larger.
    Allocations,
}

impl Cost {
    /// The name, also in the file.
    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
        }
    }

    /// The lowest and the highest count that this budget allows.
    fn bounds(self, budget: f64) -> (f64, f64) {
        match self {
            // Counts of one binary differed by at most 1.3 %, for any other load of the machine.
            Self::Instructions => (budget * 0.9, budget * 1.03),
            // One allocation less for all requests must be noticed, and the allocations of clocks must not.
            Self::Allocations => (budget - 0.5, budget + 0.1),
        }
    }
}

impl Budget {
    /// Reads the budget of this workspace.
    ///
    /// # Errors
    /// If the file is missing or malformed.
    pub fn load() -> Result<Self> {
        let text =
            fs::read_to_string(workspace().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
        toml::from_str(&text).with_context(|| format!("{FILE} is wrong"))
    }

    /// The budget for this cost.
    pub fn of(&self, cost: Cost) -> f64 {
        match cost {
            Cost::Instructions => self.instructions,
            Cost::Allocations => self.allocations,
        }
    }

    /// Compares the counted cost of a request with the budget.
    ///
    /// # Errors
    /// If it is higher, or so much lower that the budget would not notice an increase later; the error says
    /// what to do.
    pub fn compare(&self, cost: Cost, counted: f64) -> Result<()> {
        let (budget, name) = (self.of(cost), cost.name());
        let (least, most) = cost.bounds(budget);
        let difference = (counted - budget).abs();
        let percent = 100.0 * difference / budget;
        ensure!(
            counted <= most,
            "a small request costs {counted:.1} {name}, {difference:.1} ({percent:.1} %) more than its budget of \
             {budget}: find what made it dearer; if that is worth it, raise `{name}` in {FILE} in the same commit \
             and say there what for"
        );
        ensure!(
            counted >= least,
            "a small request costs {counted:.1} {name}, {difference:.1} ({percent:.1} %) less than its budget of \
             {budget}: lower `{name}` in {FILE} to {counted:.0}, since with so much room it no longer guards"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_budget_fails_and_so_does_much_less() {
        let budget = Budget { instructions: 20_000.0, allocations: 10.0 };
        for (cost, counted, expected) in [
            (Cost::Instructions, 20_000.0, None),
            (Cost::Instructions, 20_599.0, None),
            (Cost::Instructions, 20_601.0, Some("601.0 (3.0 %) more than its budget of 20000: find")),
            (Cost::Instructions, 40_000.0, Some("raise `instructions` in lb/budget.toml in the same commit")),
            (Cost::Instructions, 18_001.0, None),
            (Cost::Instructions, 17_999.0, Some("lower `instructions` in lb/budget.toml to 17999,")),
            (Cost::Instructions, 0.0, Some("20000.0 (100.0 %) less than its budget of 20000")),
            (Cost::Instructions, f64::NAN, Some("NaN")),
            (Cost::Allocations, 10.0, None),
            (Cost::Allocations, 10.05, None),
            (Cost::Allocations, 10.2, Some("costs 10.2 allocations, 0.2 (2.0 %) more")),
            (Cost::Allocations, 11.0, Some("raise `allocations`")),
            (Cost::Allocations, 9.6, None),
            (Cost::Allocations, 9.01, Some("lower `allocations` in lb/budget.toml to 9,")),
        ] {
            let said = budget.compare(cost, counted).err().map(|error| error.to_string());
            let fits = match (&said, expected) {
                (Some(said), Some(expected)) => said.contains(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(fits, "{counted} {}: {said:?}, not {expected:?}", cost.name());
        }
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let budget = Budget { instructions: 1.0, allocations: 0.0 };
        assert!(budget.compare(Cost::Allocations, 0.003).is_ok());
        assert!(budget.compare(Cost::Allocations, 1.0).is_err());
    }

    #[test]
    fn the_budget_of_this_workspace_can_be_read() {
        let budget = Budget::load().unwrap();
        assert!(budget.of(Cost::Instructions) > 0.0, "{budget:?}");
    }
}
