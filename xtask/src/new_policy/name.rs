//! The name of a policy in its three forms: `my-policy` in settings, `my_policy` as a module, `MyPolicy` as a
//! type.

use api::excerpt;

/// The most letters of a name: the pages have a column for it.
const LONGEST: usize = 40;

/// Words that cannot be the name of a module: the keywords of Rust, and the crates that the policies use.
const RESERVED: [&str; 64] = [
    "abstract",
    "alloc",
    "arc_swap",
    "as",
    "async",
    "await",
    "balance",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "fastrand",
    "final",
    "fn",
    "for",
    "gen",
    "http",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proptest",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "strum",
    "super",
    "test",
    "tiny_bench",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "xxhash_rust",
    "yield",
];

/// The name of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Its words, in lower case.
    words: Vec<String>,
}

impl Name {
    /// Reads a name in kebab case or snake case.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.chars().any(|letter| letter.is_ascii_uppercase())
            && let Ok(name) = Self::read(&text.to_ascii_lowercase())
        {
            return Err(format!("{text}: write it in lower case: {}", name.kebab()));
        }
        let is_word =
            |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let words: Vec<String> = text.split(['-', '_']).map(str::to_owned).collect();
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || !words.iter().all(|word| !word.is_empty() && is_word(word)) {
            return Err(format!(
                "{:?} is no name of a policy; write words of lower-case letters and digits with hyphens between \
                 them, such as my-policy",
                excerpt(text)
            ));
        }
        if text.len() > LONGEST {
            return Err(format!("{} has {} letters; write at most {LONGEST}", excerpt(text), text.len()));
        }
        let name = Self { words };
        if RESERVED.contains(&name.snake().as_str()) {
            return Err(format!(
                "{text} cannot be the name of a module in Rust; write two words, such as my-{text}"
            ));
        }
        Ok(name)
    }

    /// As in settings: `my-policy`.
    pub(super) fn kebab(&self) -> String {
        self.words.join("-")
    }

    /// As a module: `my_policy`.
    pub(super) fn snake(&self) -> String {
        self.words.join("_")
    }

    /// As a type: `MyPolicy`.
    pub(super) fn camel(&self) -> String {
        let capital = |word: &String| word[..1].to_uppercase() + &word[1..];
        self.words.iter().map(capital).collect()
    }

    /// As the beginning of a sentence: `My policy`.
    pub(super) fn title(&self) -> String {
        let words = self.words.join(" ");
        words[..1].to_uppercase() + &words[1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_forms() {
        for text in ["my-policy-2", "my_policy_2", "my-policy_2"] {
            let name = Name::read(text).unwrap();
            let forms = [name.kebab(), name.snake(), name.camel(), name.title()];
            assert_eq!(forms, ["my-policy-2", "my_policy_2", "MyPolicy2", "My policy 2"]);
        }
    }

    #[test]
    fn a_name_that_rust_cannot_have_is_refused_with_another() {
        let long = "a".repeat(LONGEST + 1);
        for (text, expected) in [
            ("", "such as my-policy"),
            ("-my", "such as my-policy"),
            ("my--policy", "such as my-policy"),
            ("my-", "such as my-policy"),
            ("2nd", "such as my-policy"),
            ("my policy", "such as my-policy"),
            ("../up", "such as my-policy"),
            ("größe", "such as my-policy"),
            ("My-Policy", "write it in lower case: my-policy"),
            ("MY POLICY", "such as my-policy"),
            ("type", "such as my-type"),
            ("arc-swap", "such as my-arc-swap"),
            (&long, "write at most 40"),
        ] {
            let error = Name::read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_reserved_words_are_sorted_and_can_be_words_of_a_name() {
        assert!(RESERVED.is_sorted());
        assert!(Name::read("self-aware").is_ok());
    }
}
