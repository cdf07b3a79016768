//! Tasks that have nothing to do, and wait for the next one to work for.
//!
//! A task of some KiB costs more to make and to throw away than most of what it does for a client that comes with a single
//! request. So some of them stay.

use std::cell::RefCell;

use tokio::sync::oneshot;

/// Those of a thread that wait, each for one `T`.
#[derive(Debug)]
pub(super) struct Spare<T> {
    waiting: RefCell<Vec<oneshot::Sender<T>>>,
    most: usize,
}

impl<T> Spare<T> {
    /// None yet, and never more than so many.
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: RefCell::default(), most }
    }

    /// Hands this to one that waits: to the last one that came, whose memory is the most likely to be in a cache.
    ///
    /// # Errors
    /// Gives it back if none waits.
    pub(super) fn hand(&self, one: T) -> Result<(), T> {
        let waiting = self.waiting.borrow_mut().pop();
        match waiting {
            Some(waiting) => waiting.send(one),
            None => Err(one),
        }
    }

    /// Waits for the next one; `None` at once if enough others do.
    pub(super) async fn next(&self) -> Option<T> {
        let coming = {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= self.most {
                return None;
            }
            let (wait, coming) = oneshot::channel();
            waiting.push(wait);
            coming
        };
        coming.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn only_so_many_wait_and_each_is_handed_one() {
        let spare = Spare::new(2);
        assert_eq!(spare.hand('a'), Err('a'), "none waits yet");
        let handing = async {
            // By now all three have come.
            ['b', 'c', 'd'].map(|one| spare.hand(one))
        };
        let waiting = join_all([spare.next(), spare.next(), spare.next()]);
        let (waited, handed) = tokio::join!(biased; waiting, handing);
        assert_eq!(waited, [Some('c'), Some('b'), None]);
        assert_eq!(handed, [Ok(()), Ok(()), Err('d')]);
    }
}
