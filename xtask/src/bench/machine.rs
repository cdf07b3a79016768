//! The machine of the measurements: the figures mean nothing without it.

use std::{fs, thread};

/// The description of a machine.
pub(super) struct Machine {
    processor: String,
    cores: usize,
    /// Gibibytes.
    memory: u64,
    kernel: String,
}

impl Machine {
    /// The machine that this process runs on.
    pub(super) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown processor").to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory: field(&read("/proc/meminfo"), "MemTotal").map_or(0, gibibytes),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// The description as a line.
    pub(super) fn words(&self) -> String {
        let Self { processor, cores, memory, kernel } = self;
        format!("{processor}, {cores} cores, {memory} GiB of memory, Linux {kernel}")
    }
}

/// The load of the machine over the last minute, before the measurements.
pub(super) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

/// The text after a name and a colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Reads `24684284 kB`, rounded up, because the kernel's own memory is missing there.
fn gibibytes(text: &str) -> u64 {
    let kib: u64 = text.trim_end_matches("kB").trim().parse().unwrap_or(0);
    kib.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.5GHz\nflags\t\t: fpu vme\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2.5GHz"));
        assert_eq!(field(text, "cache size"), None);
        assert_eq!(gibibytes("24684284 kB"), 24);
        assert_eq!(gibibytes("?"), 0);
    }

    #[test]
    fn this_machine_is_described() {
        let words = Machine::this().words();
        assert!(words.contains(" cores, "), "{words}");
        assert!(!words.contains(" 0 GiB"), "{words}");
    }
}
