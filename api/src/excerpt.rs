//! Input in an error: people read its beginning, and need no more.

use std::borrow::Cow;

/// The characters of an input that an error shows.
const MOST: usize = 100;

/// The beginning of an input for an error: at most 100 characters, and then an ellipsis if the input has
/// more.
pub fn excerpt(input: &str) -> Cow<'_, str> {
    match input.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &input[..end]).into(),
        None => input.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_input_ends_with_an_ellipsis() {
        for (input, expected) in [
            (String::new(), String::new()),
            ("ä".repeat(100), "ä".repeat(100)),
            ("ä".repeat(101), format!("{} ...", "ä".repeat(100))),
        ] {
            assert_eq!(excerpt(&input), expected);
        }
    }
}
