//! The texts of a new policy: the copy of its file, and its line in the list.

use super::name::Name;

/// The line at which the list of all policies begins.
const LIST: &str = "policies! {";

/// What a comment in the copy says, before the first line that begins like this.
const COMMENTS: [(&str, &[&str]); 5] = [
    ("    picks: ", &["Yours: what people read about it. `looks_at` is the data that it uses."]),
    (
        "    keeps_turns: ",
        &["Yours: whether it picks by turns, whether it uses weights, and whether a key decides."],
    ),
    ("    because: ", &["Yours: why it has picked this backend. `lb` writes that into its explanations."]),
    (
        "pub(super) const TERMS: ",
        &[
            "Yours: how far its shares may be from fair ones. `Bound::Picks(1.0)` is for turns,",
            "`Bound::Deviations(4.0)` for draws, and `Bound::Of(0.3)`, a part of the fair share, for",
            "policies that compare loads.",
        ],
    ),
    (
        "    fn pick(",
        &[
            "Yours: the decision. Return the index of a candidate, and `None` only if there are none.",
            "`Backend` tells what is known of a candidate, such as `load()`. `request.random` is the",
            "only source of chance, so that a seed repeats a run.",
        ],
    ),
];

/// The modules in the list of all policies.
pub(super) fn policies(list: &str) -> Vec<&str> {
    let lines = list.lines().skip_while(|line| *line != LIST).skip(1).take_while(|line| *line != "}");
    lines.filter_map(|line| line.split_whitespace().next()).filter(|word| !word.starts_with("//")).collect()
}

/// What has this name already, in words.
pub(super) fn taken(list: &str, name: &Name) -> Option<String> {
    let camel = format!("{},", name.camel());
    let lines = list.lines().skip_while(|line| *line != LIST).skip(1);
    let mut rows =
        lines.take_while(|line| *line != "}").map(|line| line.split_whitespace().collect::<Vec<_>>());
    if let Some(row) = rows.find(|row| row.contains(&name.snake().as_str()) || row.contains(&camel.as_str()))
    {
        return Some(format!("the policy {}", row[0].replace('_', "-")));
    }
    let of_module = format!("mod {}", name.snake());
    let is_module = list.split(&of_module).skip(1).any(|rest| rest.starts_with([';', ' ']));
    is_module.then(|| format!("the module {}", name.snake()))
}

/// The list with a line for the new policy at its end.
pub(super) fn with_line(list: &str, name: &Name) -> Result<String, String> {
    let missing =
        || format!("the list of policies is not found; it begins with a line `{LIST}` and ends with `}}`");
    let begin = list.find(&format!("\n{LIST}\n")).ok_or_else(missing)?;
    let end = begin + list[begin..].find("\n}\n").ok_or_else(missing)?;
    Ok(format!("{}\n    {} {},{}", &list[..end], name.snake(), name.camel(), &list[end..]))
}

/// The file of a policy under another name, with comments that say what to change.
pub(super) fn copy(original: &str, module: &str, name: &Name) -> Result<String, String> {
    let of_module = Name::read(module)?;
    let name_line = format!("    name: {:?},", of_module.kebab());
    if !original.lines().any(|line| line == name_line) {
        return Err(format!("the line `{}` is missing, so the name cannot be replaced", name_line.trim()));
    }
    let mut copy = head(module, name);
    // The first paragraph describes the other policy.
    let rest = original.lines().skip_while(|line| *line != "//!");
    let mut waiting: Vec<_> = COMMENTS.iter().collect();
    for line in rest {
        if let Some(at) = waiting.iter().position(|(begin, _)| line.starts_with(begin)) {
            let (_, comment) = waiting.remove(at);
            let indent = &line[..line.len() - line.trim_start().len()];
            comment.iter().for_each(|words| copy += &format!("{indent}// {words}\n"));
        }
        if line == name_line {
            copy += &format!("    name: {:?},\n", name.kebab());
        } else if line.trim_start().starts_with("//") {
            copy += &format!("{line}\n");
        } else {
            copy += &format!("{}\n", renamed(line, &of_module.camel(), &name.camel()));
        }
    }
    match waiting.first() {
        Some((begin, _)) => Err(format!("a line that begins with `{}` is missing", begin.trim())),
        None => Ok(copy),
    }
}

/// The beginning of the copy.
fn head(module: &str, name: &Name) -> String {
    format!(
        "//! {}: write here which backend it picks, in one sentence.\n\
         //!\n\
         //! Yours: this file begins as a copy of `{module}.rs`, and picks as that policy does.\n\
         //! Comments that begin with \"Yours\" say what to change; remove them then. The text below describes\n\
         //! the policy that was copied.\n",
        name.title()
    )
}

/// A line of code with another word in place of one.
fn renamed(line: &str, from: &str, to: &str) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut renamed = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        renamed += before;
        renamed += if is_word { to } else { from };
        rest = after;
    }
    renamed + rest
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lab::binaries::workspace;

    use super::*;

    fn read(module: &str) -> String {
        fs::read_to_string(workspace().join(format!("balance/src/policy/{module}.rs"))).unwrap()
    }

    #[test]
    fn a_copy_of_each_policy_differs_from_its_file_only_in_names_and_comments() {
        let list = read("mod");
        let modules = policies(&list);
        assert!(modules.len() >= 12 && modules.contains(&"random"), "{modules:?}");
        for module in modules {
            let (original, name) = (read(module), Name::read("my-policy").unwrap());
            let copy = copy(&original, module, &name).unwrap();
            let is_code = |line: &&str| !line.trim_start().starts_with("//");
            let (old, new): (Vec<_>, Vec<_>) =
                (original.lines().filter(is_code).collect(), copy.lines().filter(is_code).collect());
            assert_eq!(old.len(), new.len(), "{module}");
            let camel = Name::read(module).unwrap().camel();
            for (old, new) in old.iter().zip(&new) {
                let is_name = *new == "    name: \"my-policy\"," && old.starts_with("    name: \"");
                assert!(is_name || renamed(old, &camel, "MyPolicy") == **new, "{module}: {old} -> {new}");
            }
            assert!(
                copy.contains("struct MyPolicy") && copy.contains("impl Policy for MyPolicy"),
                "{module}"
            );
            let is_new = |line: &&str| !original.lines().any(|old| old == *line);
            assert!(copy.lines().filter(is_new).all(|line| line.chars().count() <= 110), "{module}");
            assert_eq!(copy.matches("Yours: ").count(), COMMENTS.len() + 1, "{module}");
        }
    }

    #[test]
    fn the_list_ends_with_the_new_line() {
        let name = Name::read("my-policy").unwrap();
        let list = "before {\n}\n\npolicies! {\n    random Random,\n}\n\nmod kind;\n";
        let longer =
            "before {\n}\n\npolicies! {\n    random Random,\n    my_policy MyPolicy,\n}\n\nmod kind;\n";
        assert_eq!(with_line(list, &name).unwrap(), longer);
        assert_eq!((policies(list), policies(longer)), (vec!["random"], vec!["random", "my_policy"]));
        assert!(with_line("mod kind;\n", &name).unwrap_err().contains("policies! {"));
    }

    #[test]
    fn a_name_is_taken_by_a_policy_by_its_type_or_by_a_module() {
        let list = read("mod");
        for (name, expected) in [
            ("two_choices", Some("the policy two-choices")),
            ("two-choices", Some("the policy two-choices")),
            ("kind", Some("the module kind")),
            ("under-contract", Some("the module under_contract")),
            ("list", Some("the module list")),
            ("lis", None),
            ("rando", None),
            ("my-policy", None),
        ] {
            assert_eq!(taken(&list, &Name::read(name).unwrap()).as_deref(), expected, "{name}");
        }
        let list = "policies! {\n    my_p2 MyP2,\n}\n";
        assert_eq!(taken(list, &Name::read("my-p-2").unwrap()).as_deref(), Some("the policy my-p2"));
    }

    #[test]
    fn only_whole_words_are_renamed() {
        assert_eq!(
            renamed("Ring(BoundedRing, Rings, Ring)", "Ring", "Mine"),
            "Mine(BoundedRing, Rings, Mine)"
        );
    }
}
