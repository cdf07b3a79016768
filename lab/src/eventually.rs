//! Waits for a condition without fixed sleeps.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep, timeout_at};

/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `check` again and again until it returns a value, and returns that value.
///
/// `check` returns an error with the reason why its condition does not hold yet. `what` completes the
/// sentence "waited for …".
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// let mut looks = 0;
/// let third = lab::eventually(Duration::from_secs(1), "the third look", async || {
///     looks += 1;
///     anyhow::ensure!(looks >= 3, "only look {looks}");
///     Ok(looks)
/// });
/// assert_eq!(third.await.unwrap(), 3);
/// # });
/// ```
///
/// # Errors
/// If the time is up: the error has `what`, the time, and the last reason from `check`.
pub async fn eventually<T>(
    within: Duration,
    what: &str,
    mut check: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = anyhow::anyhow!("the first check has not ended");
    loop {
        match timeout_at(deadline, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(last.context(format!("waited {within:?} for {what}; the last state is below")));
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_what_it_saw_last() {
        let mut seen = 0;
        let error = eventually(Duration::from_millis(60), "pigs to fly", async || -> Result<()> {
            seen += 1;
            anyhow::bail!("{seen} pigs on the ground")
        });
        let text = format!("{:#}", error.await.unwrap_err());
        assert!(text.contains("pigs to fly") && text.contains("pigs on the ground"), "{text}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_ends_with_the_deadline() {
        let hung = eventually(Duration::from_millis(50), "nothing", async || {
            std::future::pending::<()>().await;
            Ok(())
        });
        assert!(hung.await.is_err());
    }
}
