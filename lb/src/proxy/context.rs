//! The context of a request while it looks for a backend: the context of the original, with typed keys. The
//! original is the Go balancer that this project grew from.
//!
//! The values are in the request's [`http::Extensions`], which corresponds to Go's `context.Context`: a map
//! with types as keys. A value that was never set has its default. So a request that succeeds at once, as
//! nearly all requests do, never uses the map.

use http::Extensions;

use balance::verdict::Failure;

/// Tries at the present backend after the first one; it starts at zero for each backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retries(pub u32);

/// Backends that the request was given to, including the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempts(pub u32);

impl Default for Attempts {
    fn default() -> Self {
        Self(1)
    }
}

/// The backends that the request has left, by number, each with the failure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tried(pub Vec<(usize, Failure)>);

impl Tried {
    /// The numbers of the backends, in the order they were tried.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.0.iter().map(|(number, _)| *number).collect()
    }
}

/// Reads a value, or its default if it was never set.
pub(crate) fn get<T: Clone + Default + Send + Sync + 'static>(context: &Extensions) -> T {
    context.get().cloned().unwrap_or_default()
}

/// One more try at the same backend.
pub(crate) fn retry(context: &mut Extensions) {
    let Retries(retries) = get(context);
    context.insert(Retries(retries + 1));
}

/// The next backend: one more attempt, and retries from zero.
///
/// The original does not reset the retries, and so gives its later backends a single try each.
pub(crate) fn move_on(context: &mut Extensions, from: usize, failure: Failure) {
    let Attempts(attempts) = get(context);
    context.insert(Attempts(attempts + 1));
    context.insert(Retries(0));
    leave(context, from, failure);
}

/// Records that the request leaves a backend.
pub(crate) fn leave(context: &mut Extensions, backend: usize, failure: Failure) {
    context.get_or_insert_default::<Tried>().0.push((backend, failure));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_request_is_at_its_first_attempt_and_has_no_retries() {
        let context = Extensions::new();
        assert_eq!(get::<Attempts>(&context), Attempts(1));
        assert_eq!(get::<Retries>(&context), Retries(0));
        assert_eq!(get::<Tried>(&context).numbers(), Vec::<usize>::new());
    }

    #[test]
    fn retries_count_per_backend_and_attempts_per_request() {
        let mut context = Extensions::new();
        retry(&mut context);
        retry(&mut context);
        assert_eq!(get::<Retries>(&context), Retries(2));
        move_on(&mut context, 2, Failure::ConnectRefused);
        assert_eq!(get::<Retries>(&context), Retries(0));
        assert_eq!(get::<Attempts>(&context), Attempts(2));
        assert_eq!(get::<Tried>(&context).numbers(), [2]);
        move_on(&mut context, 3, Failure::FellSilent);
        assert_eq!(get::<Tried>(&context).numbers(), [2, 3]);
    }
}
