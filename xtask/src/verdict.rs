//! Promises, and whether they were kept: the last lines of every command that judges.

use anyhow::{Result, ensure};

/// One promise, and whether it was kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) promise: String,
    pub(crate) measured: String,
    pub(crate) kept: bool,
}

/// Prints the verdicts, one line each.
pub(crate) fn print(verdicts: &[Verdict]) {
    for Verdict { promise, measured, kept } in verdicts {
        let word = if *kept { "ok    " } else { "BROKEN" };
        println!("{word}  {promise}: {measured}");
    }
}

/// Fails if a promise is broken, with hints for finding the reason.
pub(crate) fn ensure_kept(verdicts: &[Verdict], traces: impl FnOnce() -> String) -> Result<()> {
    let broken = verdicts.iter().filter(|verdict| !verdict.kept).count();
    ensure!(broken == 0, "{broken} of {} promises broken\n{}", verdicts.len(), traces());
    Ok(())
}
