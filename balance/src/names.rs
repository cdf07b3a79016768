//! Choices that have one name each, the same in flags, files, JSON and logs.

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
        .ok_or_else(|| format!("'{text}' is {what}; write one of {}", of::<T>().join(", ")))
}
