//! Is an error about the resources of this process or its machine, and not about the other side?

use std::io;

/// Whether an error says that this process or its machine is out of some resource.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    /// The numbers in Linux for: too many open files in the system and in the process, no buffer space, out
    /// of memory, and no more threads. The standard library has names for only some of them.
    const NUMBERS: [i32; 5] = [23, 24, 105, 12, 11];
    error.raw_os_error().is_some_and(|code| NUMBERS.contains(&code))
}
