//! What time is it, as the `Date` header has it?

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The present second in words: written anew only when it is over.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: RefCell<(u64, String)>,
}

impl Date {
    /// Calls `write` with the date of now, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) fn with<T>(&self, write: impl FnOnce(&[u8]) -> T) -> T {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut second = self.second.borrow_mut();
        if second.0 != now {
            *second = (now, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now)));
        }
        write(second.1.as_bytes())
    }
}
