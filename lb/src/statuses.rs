//! Sets of status codes: single ones and ranges, such as `200` and `300-399`.

use std::fmt;
use std::ops::RangeInclusive;

use http::StatusCode;

/// A set of status codes; never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Reads codes and ranges; `None` if one of the texts is neither.
    pub(crate) fn read<T: AsRef<str>>(texts: &[T]) -> Option<Self> {
        let ranges: Option<Vec<_>> = texts.iter().map(|text| range(text.as_ref())).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Self)
    }

    /// Whether the set contains this status.
    pub fn has(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// `200` or `200-399`, within 100 to 599.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| text.trim().parse().ok().filter(|code| (100..=599).contains(code));
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (code(from)?, code(to)?);
    (from <= to).then_some(from..=to)
}

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=200])
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ranges_are_read_as_people_write_them() {
        let statuses = Statuses::read(&["200", " 204 ", "300-399"]).unwrap();
        assert_eq!(statuses.to_string(), "200, 204, 300-399");
        let has = |code| statuses.has(StatusCode::from_u16(code).unwrap());
        assert_eq!([200, 204, 300, 399].map(has), [true; 4]);
        assert_eq!([199, 201, 299, 400].map(has), [false; 4]);
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "99", "600", "2xx", "200-", "-200", "399-300", "200-600", "200 399"] {
            assert_eq!(Statuses::read(&[text]), None, "{text}");
        }
        assert_eq!(Statuses::read::<&str>(&[]), None);
    }
}
