//! Idle tasks that wait for the next client.
//!
//! A task of some KiB costs more to make and to destroy than most of its work for a client with a single
//! request. So some tasks stay.

use std::cell::RefCell;

use tokio::sync::oneshot;

/// The idle tasks of a thread, each of which waits for one `T`.
#[derive(Debug)]
pub(super) struct TaskPool<T> {
    waiting: RefCell<Vec<oneshot::Sender<T>>>,
    most: usize,
}

impl<T> TaskPool<T> {
    /// No tasks yet, and never more than this number.
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: RefCell::default(), most }
    }

    /// Gives a value to an idle task: to the one that has waited for the shortest time, whose memory is the
    /// most likely to be in a cache.
    ///
    /// # Errors
    /// Returns the value if no task waits.
    pub(super) fn hand(&self, one: T) -> Result<(), T> {
        let waiting = self.waiting.borrow_mut().pop();
        match waiting {
            Some(waiting) => waiting.send(one),
            None => Err(one),
        }
    }

    /// Waits for the next value; `None` at once if enough tasks wait already.
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
        let task_pool = TaskPool::new(2);
        assert_eq!(task_pool.hand('a'), Err('a'), "none waits yet");
        let handing = async {
            // By now all three are here.
            ['b', 'c', 'd'].map(|one| task_pool.hand(one))
        };
        let waiting = join_all([task_pool.next(), task_pool.next(), task_pool.next()]);
        let (waited, handed) = tokio::join!(biased; waiting, handing);
        assert_eq!(waited, [Some('c'), Some('b'), None]);
        assert_eq!(handed, [Ok(()), Ok(()), Err('d')]);
    }
}
