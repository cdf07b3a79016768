//! How many viewers there are.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The viewers of a server: their number, and how many there can be.
#[derive(Clone, Debug)]
pub(super) struct Viewers {
    count: watch::Sender<usize>,
    most: usize,
}

/// One viewer, until it is dropped.
#[derive(Debug)]
pub(super) struct Viewer {
    count: watch::Sender<usize>,
}

impl Viewers {
    pub(super) fn new(most: usize) -> Self {
        Self { count: watch::Sender::new(0), most }
    }

    /// A new viewer; `None` if there are too many.
    pub(super) fn enter(&self) -> Option<Viewer> {
        let most = self.most;
        let has_room = self.count.send_if_modified(|count| {
            let has_room = *count < most;
            *count += usize::from(has_room);
            has_room
        });
        has_room.then(|| Viewer { count: self.count.clone() })
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until there has been no viewer for this time. A page that is loaded again leaves for a moment.
    pub(super) async fn gone(&self, grace: Duration) {
        let mut count = self.count.subscribe();
        loop {
            // This fails only without a sender, and `self` has one.
            let _ = count.wait_for(|count| *count == 0).await;
            if timeout(grace, count.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn viewers_are_limited_and_their_end_is_noticed() {
        let viewers = Viewers::new(2);
        let (one, two) = (viewers.enter().unwrap(), viewers.enter().unwrap());
        assert!(viewers.enter().is_none() && viewers.count() == 2);
        drop(one);
        let three = viewers.enter().unwrap();
        // The grace is so long that this test never waits for its end.
        let mut gone = Box::pin(viewers.gone(Duration::from_secs(3600)));
        let mut at_once = Box::pin(viewers.gone(Duration::ZERO));
        assert!(gone.as_mut().now_or_never().is_none() && at_once.as_mut().now_or_never().is_none());
        drop((two, three));
        assert!(gone.as_mut().now_or_never().is_none(), "the page may be loading again");
        timeout(Duration::from_secs(5), at_once).await.unwrap();
        let again = viewers.enter().unwrap();
        let mut at_once = Box::pin(viewers.gone(Duration::ZERO));
        assert!(at_once.as_mut().now_or_never().is_none(), "a viewer has come back");
        drop(again);
        timeout(Duration::from_secs(5), at_once).await.unwrap();
    }
}
