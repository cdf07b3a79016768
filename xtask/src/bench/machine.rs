//! The machine of the measurements: the figures mean nothing without it.

use std::{fs, thread};

use procfs::{CpuInfo, Current, LoadAverage, Meminfo};

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
        let processor = CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
        // Rounded up, because the kernel's own memory is missing there.
        let memory = Meminfo::current().map_or(0, |info| info.mem_total.div_ceil(1 << 30));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: processor.unwrap_or_else(|| "unknown processor".to_owned()),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory,
            kernel: kernel.trim().to_owned(),
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
    LoadAverage::current().map_or_else(|_| "unknown".to_owned(), |load| format!("{:.2}", load.one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let words = Machine::this().words();
        assert!(words.contains(" cores, "), "{words}");
        assert!(!words.contains(" 0 GiB"), "{words}");
    }
}
