//! The setup of a run: the tables of a lesson, merged, and the scenario that they make.

use sim::scenario::Scenario;
use toml::{Table, Value};

/// The scenario of one run: its setup with its policy.
pub(crate) fn scenario(title: &str, mut table: Table, policy: &str) -> Result<Scenario, String> {
    table.insert("title".to_owned(), Value::String(title.to_owned()));
    table.insert("policies".to_owned(), Value::Array(vec![Value::String(policy.to_owned())]));
    let text = toml::to_string(&table).map_err(|error| error.to_string())?;
    Ok(Scenario::parse(&text).map_err(|error| error.to_string())?.ticks())
}

/// The names of all policies, in the order of the project.
pub fn policies() -> Vec<String> {
    const ANY: &str = "title = \"any\"\nrequests = 1\nservers = [{ count = 1 }]\narrivals = { even = 1 }\n\
                       service = { fixed = \"1ms\" }";
    // A scenario that names no policy has all of them.
    let known = Scenario::parse(ANY).map(|scenario| scenario.policies()).unwrap_or_default();
    known.iter().map(ToString::to_string).collect()
}

/// Keys of which a table has one: a change that has one of them removes the others.
const ALTERNATIVES: [&[&str]; 3] = [
    &["requests", "time"],
    &["even", "poisson", "steps", "clients"],
    &["fixed", "exp", "lognormal", "bimodal", "uniform"],
];

/// Puts the keys of a change into a table. A table in both is merged in the same way; any other value is
/// replaced. Each element of a list of tables that a change has as one table gets its keys.
pub(crate) fn merge(into: &mut Table, change: &Table) {
    for (key, value) in change {
        for group in ALTERNATIVES.iter().filter(|group| group.contains(&key.as_str())) {
            group.iter().filter(|other| *other != key).for_each(|other| drop(into.remove(*other)));
        }
        match (into.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(change)) => merge(inner, change),
            (Some(Value::Array(list)), Value::Table(change)) => {
                for element in list.iter_mut().filter_map(Value::as_table_mut) {
                    merge(element, change);
                }
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_policies_are_known() {
        let known = policies();
        assert!(known.len() >= 12 && known.contains(&"peak-ewma".to_owned()), "{known:?}");
    }

    #[test]
    fn a_change_is_merged_into_the_setup() {
        let mut table: Table =
            toml::from_str("a = 1\nlist = [{ x = 1 }, { x = 2 }]\n[deep]\nb = 1\nc = 2").unwrap();
        merge(&mut table, &toml::from_str("a = 3\nlist = { y = 5 }\n[deep]\nc = 4").unwrap());
        let expected: Table =
            toml::from_str("a = 3\nlist = [{ x = 1, y = 5 }, { x = 2, y = 5 }]\n[deep]\nb = 1\nc = 4")
                .unwrap();
        assert_eq!(table, expected);
    }

    #[test]
    fn a_change_removes_the_alternatives_of_its_keys() {
        let mut table: Table = toml::from_str(
            "requests = 9\narrivals = { clients = 3, think = { fixed = \"1ms\" } }\nservice = { exp = \"1s\" }",
        )
        .unwrap();
        let change = "time = \"9s\"\narrivals = { even = 1 }\nservice = { fixed = \"2s\" }";
        merge(&mut table, &toml::from_str(change).unwrap());
        let expected = "time = \"9s\"\narrivals = { even = 1, think = { fixed = \"1ms\" } }\nservice = { fixed = \"2s\" }";
        assert_eq!(table, toml::from_str(expected).unwrap());
    }
}
