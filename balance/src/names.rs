//! Choices that have one name each, the same in flags, files, JSON and logs.

use std::borrow::Cow;

use strum::VariantArray;

/// The names of all choices, in their order.
pub fn of<T>() -> Vec<&'static str>
where
    T: VariantArray + Copy + Into<&'static str>,
{
    T::VARIANTS.iter().map(|choice| (*choice).into()).collect()
}

/// The choice with this name, or an error that says what is expected, and lists all names.
pub fn parse<T>(text: &str, what: &str) -> Result<T, String>
where
    T: VariantArray + Copy + Into<&'static str>,
{
    let named = |choice: &&T| Into::<&'static str>::into(**choice) == text;
    T::VARIANTS
        .iter()
        .find(named)
        .copied()
        .ok_or_else(|| format!("'{}' is {what}; write one of {}", excerpt(text), of::<T>().join(", ")))
}

/// The beginning of a wrong name: people read no more of it, and errors stay short.
fn excerpt(name: &str) -> Cow<'_, str> {
    /// The characters that an error shows.
    const MOST: usize = 100;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &name[..end]).into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Kind;

    #[test]
    fn a_wrong_name_is_shown_in_part() {
        let error = "ä".repeat(3000).parse::<Kind>().unwrap_err();
        assert!(error.contains("ää ...' is ") && error.contains("round-robin"), "{error}");
        assert!(!error.contains(&"ä".repeat(101)), "{error}");
    }
}
