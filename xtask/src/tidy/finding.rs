//! What a check finds.

use std::fmt;

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    /// 0 if it concerns no line in particular.
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) instead: String,
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, what: String, instead: &str) -> Self {
        Self { path: path.to_owned(), line, what, instead: instead.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}; {}", self.path, self.what, self.instead),
            line => write!(f, "{}:{line}: {}; {}", self.path, self.what, self.instead),
        }
    }
}
