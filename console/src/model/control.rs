//! What a change by an operator means for the model: the balancer tells it in words.

/// A change that the model follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// This policy is in force.
    Policy(&'a str),
    /// Another mode of a backend.
    Mode(usize, &'a str),
    /// Another weight of a backend.
    Weight(usize, u32),
    /// A new backend, and its address.
    Added(usize, &'a str),
    /// A backend that finishes its requests and gets no more.
    Removed(usize),
}

/// Reads the changes in a text such as `policy random -> ring` or `backend 3 changed: weight 1 -> 5, mode
/// ready -> drain`. A text that means nothing here has none.
pub(super) fn changes(text: &str) -> Vec<Change<'_>> {
    if let Some(policies) = text.strip_prefix("policy ") {
        return policies.split_once(" -> ").map(|(_, policy)| Change::Policy(policy)).into_iter().collect();
    }
    let Some((number, what)) = text.strip_prefix("backend ").and_then(|rest| rest.split_once(' ')) else {
        return Vec::new();
    };
    let Ok(number) = number.parse::<usize>() else { return Vec::new() };
    if let Some(url) = what.strip_prefix("added: ") {
        return vec![Change::Added(number, url)];
    }
    if what.starts_with("removed") {
        return vec![Change::Removed(number)];
    }
    let Some(differences) = what.strip_prefix("changed: ") else { return Vec::new() };
    differences.split(", ").filter_map(|text| difference(number, text)).collect()
}

/// Reads one difference of a backend, such as `mode ready -> drain`.
fn difference(number: usize, text: &str) -> Option<Change<'_>> {
    let (name, values) = text.split_once(' ')?;
    let (_, after) = values.split_once(" -> ")?;
    match name {
        "mode" => Some(Change::Mode(number, after)),
        "weight" => Some(Change::Weight(number, after.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_balancer_are_read() {
        for (text, expected) in [
            ("policy round-robin -> ring", vec![Change::Policy("ring")]),
            ("policy", vec![]),
            (
                "backend 3 changed: weight 1 -> 5, max_in_flight off -> 2, mode ready -> drain",
                vec![Change::Weight(3, 5), Change::Mode(3, "drain")],
            ),
            ("backend 3 changed: weight 1 -> many", vec![]),
            ("backend 5 added: http://localhost:3035", vec![Change::Added(5, "http://localhost:3035")]),
            ("backend 5 removed: http://localhost:3035", vec![Change::Removed(5)]),
            ("backend none changed: mode ready -> drain", vec![]),
            ("configuration read again: the backends stay as they are", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(changes(text), expected, "{text}");
        }
    }
}
