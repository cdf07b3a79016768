//! The output of valgrind's callgrind.

/// The instructions of all processes together, from the line that callgrind prints at the end of each; `None`
/// without such a line.
pub(crate) fn instructions(said: &str) -> Option<u64> {
    let counts =
        said.lines().filter_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    Some(counts.sum()).filter(|sum| *sum > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_added_up() {
        let said = "==10== Callgrind, a call-graph generating cache profiler\n==10== Events    : Ir\n\
                    ==10== Collected : 1000\n==11== Collected : 234\n==11== \n";
        assert_eq!(instructions(said), Some(1234));
        assert_eq!(instructions("==10== it broke\n"), None);
        assert_eq!(instructions(""), None);
    }
}
