//! The value of the `Date` header.

use std::cell::{Ref, RefCell};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The present second in words. It is written again only when the second is over.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: RefCell<(u64, String)>,
}

impl Date {
    /// The present date, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) fn now(&self) -> Ref<'_, str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.second.borrow().0 != now {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            *self.second.borrow_mut() = (now, date);
        }
        Ref::map(self.second.borrow(), |(_, date)| date.as_str())
    }
}
