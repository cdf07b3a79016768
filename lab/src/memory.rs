//! The memory that a process occupies, from the kernel's `/proc/<pid>/status`, see proc(5).

use std::fs;

use anyhow::{Context, Result};

/// Memory of a process in bytes: `VmRSS` for all resident memory, or `RssAnon` for memory that belongs to no
/// file.
///
/// # Errors
/// If there is no such process, or no such line about it.
pub fn memory(pid: u32, which: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&status, which).with_context(|| format!("process {pid} shows no {which}"))
}

/// One line of the file, in bytes.
fn parse(status: &str, which: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tlb\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nThreads:\t1\n";
        assert_eq!(parse(status, "VmRSS"), Some(2 * 1024 * 1024));
        assert_eq!(parse(status, "RssAnon"), Some(1024 * 1024));
        assert_eq!(parse("Name:\tkthreadd\n", "VmRSS"), None);
        assert_eq!(parse("VmRSS: many kB\n", "VmRSS"), None);
    }
}
