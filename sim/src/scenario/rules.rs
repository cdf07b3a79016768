//! The rules of the pools of a scenario.

use std::num::NonZeroUsize;

use balance::{Rules, budget, outlier, subset};

use super::form::BalancerForm;
use super::values::Whole;

/// The rules of the form; those of the program `lb` by default.
pub(super) fn rules(form: &BalancerForm) -> Rules {
    let mut rules = Rules::default();
    rules.thresholds.rise = form.rise.map_or(rules.thresholds.rise, |rise| rise.0);
    rules.thresholds.fall = form.fall.map_or(rules.thresholds.fall, |fall| fall.0);
    rules.silence.at_least = form.silence.map_or(rules.silence.at_least, |time| time.0);
    rules.slow_start = form.slow_start.map_or(rules.slow_start, |time| time.0);
    rules.panic_threshold =
        form.panic_threshold.map_or(rules.panic_threshold, |Whole(percent)| percent as u8);
    rules.load_view_delay = form.load_view_delay.map_or(rules.load_view_delay, |time| time.0);
    rules.subset =
        form.subset.map(|Whole(size)| subset::Rule { size, fixed: form.fixed_subsets == Some(true) });
    rules.load_factor = form.load_factor.map_or(rules.load_factor, |factor| factor.0);
    rules.affinity_gap = form.affinity_gap.map_or(rules.affinity_gap, |gap| gap.0);
    let remembered = form.remembered_keys.and_then(|keys| NonZeroUsize::new(keys.0 as usize));
    rules.remembered_keys = remembered.unwrap_or(rules.remembered_keys);
    if let Some(Whole(errors)) = form.outlier_errors {
        let ejection_time = form.ejection_time.map_or(outlier::Rule::DEFAULT.ejection_time, |time| time.0);
        rules.outlier = outlier::Rule { consecutive_errors: errors, ejection_time, ..outlier::Rule::OFF };
    }
    rules.retry_budget = budget(form.budget_percent, form.budget_per_second);
    rules
}

/// A budget, if one of its keys is there.
pub(super) fn budget(
    percent: Option<Whole<0, 1000>>,
    per_second: Option<Whole<0, 1_000_000>>,
) -> Option<budget::Rule> {
    if percent.is_none() && per_second.is_none() {
        return None;
    }
    let default = budget::Rule::DEFAULT;
    Some(budget::Rule {
        percent: percent.map_or(default.percent, |percent| percent.0),
        per_second: per_second.map_or(default.per_second, |retries| retries.0),
    })
}
