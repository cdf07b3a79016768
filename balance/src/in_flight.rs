//! The requests in flight at a backend.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::backend::Backend;

/// While this value exists, a request is in flight at a backend: from the pick to the last byte of the
/// answer, or to an earlier end.
#[derive(Debug)]
pub struct InFlight<T: AsRef<Backend> = Backend>(Arc<T>);

impl<T: AsRef<Backend>> InFlight<T> {
    /// Counts one more request at `backend`.
    pub fn new(backend: Arc<T>) -> Self {
        // Sequentially consistent, as the watch is: a new watch is either told of this request or counts it
        // itself.
        let counts = (*backend).as_ref();
        counts.load.in_flight.fetch_add(1, SeqCst);
        counts.load.changed(counts.number);
        Self(backend)
    }

    /// The backend of the request.
    pub fn backend(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T: AsRef<Backend>> Drop for InFlight<T> {
    fn drop(&mut self) {
        let counts = (*self.0).as_ref();
        counts.load.in_flight.fetch_sub(1, SeqCst);
        counts.load.changed(counts.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;
    use crate::address::Address;
    use crate::member::Member;

    #[test]
    fn counts_go_back_whatever_ends_the_request() {
        let address = Address { host: "127.0.0.1".into(), port: 3031 };
        let backend = Arc::new(Backend::new(1, Member::new(address), Moment::START));
        let lease = InFlight::new(Arc::clone(&backend));
        assert_eq!(backend.in_flight(), 1);
        drop(lease);
        assert_eq!(backend.in_flight(), 0);
    }
}
