//! The requests inside the servers, as lists without memory of their own: each job knows its neighbours.

use slab::Slab;

use crate::clock::Nanos;

/// No job, or no call.
pub(crate) const NONE: u32 = u32::MAX;

/// What a server knows of a request when it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IncomingRequest {
    pub(crate) call: u32,
    /// The number of the call, which names the draws.
    pub(crate) number: u64,
    /// The tries of this call before this one.
    pub(crate) tries: u32,
    pub(crate) size: Nanos,
    pub(crate) deadline: Nanos,
    pub(crate) key: Option<u64>,
}

/// The answer of a server to a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reception {
    /// The request is this job now.
    Accepted(u32),
    /// The queue is full: the server answers 503 at once.
    Full,
    /// The port refuses the connection.
    Refused,
}

/// The list of a job at its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// A worker serves it.
    Worker,
    /// It waits in the queue of the server.
    Queue,
    /// The kernel has accepted its connection for a stopped process.
    Backlog,
}

/// A request at a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// The call; [`NONE`] if its client has left.
    pub(crate) call: u32,
    /// The work that is left, as a time at the usual speed.
    pub(crate) work: Nanos,
    /// The time that faults add to the work.
    pub(crate) delay: Nanos,
    /// Since when a worker has been at this work.
    pub(crate) since: Nanos,
    /// When the client gives up.
    pub(crate) deadline: Nanos,
    /// The key, for the cache.
    pub(crate) key: Option<u64>,
    /// The running number of the event that ends it.
    pub(crate) event: u32,
    /// The status of the answer.
    pub(crate) status: u16,
    pub(crate) server: u32,
    pub(crate) at: At,
    before: u32,
    behind: u32,
}

impl Job {
    /// A job of a call at a server, in no list yet.
    pub(crate) fn new(call: u32, server: u32, work: Nanos, status: u16) -> Self {
        Self {
            call,
            work,
            delay: 0,
            since: 0,
            deadline: Nanos::MAX,
            key: None,
            event: 0,
            status,
            server,
            at: At::Queue,
            before: NONE,
            behind: NONE,
        }
    }
}

/// A list of jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl List {
    /// A list without jobs.
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE, len: 0 };

    /// The number of jobs.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The job that came first.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// The job that came last.
    pub(crate) fn last(&self) -> Option<u32> {
        (self.last != NONE).then_some(self.last)
    }

    /// Adds a job behind all others.
    pub(crate) fn push(&mut self, jobs: &mut Slab<Job>, index: u32) {
        let job = &mut jobs[index as usize];
        (job.before, job.behind) = (self.last, NONE);
        match self.last {
            NONE => self.first = index,
            last => jobs[last as usize].behind = index,
        }
        self.last = index;
        self.len += 1;
    }

    /// Takes a job out, wherever it stands.
    pub(crate) fn remove(&mut self, jobs: &mut Slab<Job>, index: u32) {
        let Job { before, behind, .. } = jobs[index as usize];
        match before {
            NONE => self.first = behind,
            before => jobs[before as usize].behind = behind,
        }
        match behind {
            NONE => self.last = before,
            behind => jobs[behind as usize].before = before,
        }
        self.len -= 1;
    }

    /// The jobs in their order.
    pub(crate) fn all(&self, jobs: &Slab<Job>) -> Vec<u32> {
        let behind = |index: &u32| Some(jobs[*index as usize].behind).filter(|index| *index != NONE);
        std::iter::successors(self.first(), behind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_a_list_from_everywhere() {
        let mut jobs = Slab::new();
        let mut list = List::EMPTY;
        for call in 0..5 {
            let index = jobs.insert(Job::new(call, 0, 0, 200)) as u32;
            list.push(&mut jobs, index);
        }
        for (gone, left) in
            [(2, vec![0, 1, 3, 4]), (0, vec![1, 3, 4]), (4, vec![1, 3]), (1, vec![3]), (3, vec![])]
        {
            list.remove(&mut jobs, gone);
            assert_eq!(list.all(&jobs), left);
            assert_eq!(
                (list.len() as usize, list.first(), list.last()),
                (left.len(), left.first().copied(), left.last().copied())
            );
        }
    }
}
