//! What a process occupies, as the kernel says in `/proc`.

use std::time::Duration;

use anyhow::{Context, Result};
use procfs::process::Process;

/// The resident memory of a process, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let kib = of(pid)?.status()?.vmrss.with_context(|| format!("process {pid} has no memory"))?;
    Ok(kib * 1024)
}

/// The part of its resident memory that belongs to no file, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn anonymous(pid: u32) -> Result<u64> {
    let kib = of(pid)?.status()?.rssanon.with_context(|| format!("process {pid} has no memory"))?;
    Ok(kib * 1024)
}

/// The number of its open descriptors.
///
/// # Errors
/// If there is no such process, or if it belongs to another user.
pub fn descriptors(pid: u32) -> Result<usize> {
    Ok(of(pid)?.fd_count()?)
}

fn of(pid: u32) -> Result<Process> {
    Process::new(i32::try_from(pid)?).with_context(|| format!("there is no process {pid}"))
}

/// The processor time of a process since its start, with the time that the kernel spent for it.
///
/// # Errors
/// If there is no such process.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let stat = of(pid)?.stat()?;
    let ticks = stat.utime.saturating_add(stat.stime);
    Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_occupies_something() {
        let own = std::process::id();
        let (resident, anonymous) = (resident(own).unwrap(), anonymous(own).unwrap());
        assert!((1 << 16..1 << 36).contains(&resident), "{resident}");
        assert!(anonymous <= resident, "{anonymous} of {resident}");
        assert!(descriptors(own).unwrap() >= 3);
        assert!(super::resident(u32::MAX).is_err());
        assert!(processor_time(own).unwrap() < Duration::from_secs(3600));
        assert!(processor_time(u32::MAX).is_err());
    }
}
