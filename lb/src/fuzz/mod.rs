//! Does it hold for any bytes at all? Each function here is a fuzzer's target: it takes bytes, and panics where a rule
//! is broken.
//!
//! Only tests and fuzzers see this module. It is the door by which a fuzzer reaches what is private to this crate: the
//! programs that `cargo xtask fuzz` runs are in `lb/fuzz`, of one line each, and so are the seeds they begin with, which
//! a test here replays on every run.

#![expect(clippy::unwrap_used, reason = "a target fails as tests do, by a panic")]

mod chunks;
#[cfg(test)]
mod damage;
mod heads;
mod path;
mod rules;
mod strict;

use std::fmt::Debug;

use balance::Address;

pub use chunks::chunked_body;
pub use heads::{request_head, response_head};
pub use path::whole_path;
pub use rules::message_rules;

/// Sizes of the pieces that bytes come in, besides all at once.
const PIECES: [usize; 4] = [1, 2, 3, 7];

/// The backend that heads are written for.
fn server() -> Address {
    Address { host: "192.0.2.1".to_owned(), port: 3031 }
}

/// What is read is the same in whatever pieces it comes: `read` takes their size.
fn in_any_pieces<T: Debug>(bytes: &[u8], read: impl Fn(usize) -> T) -> T {
    let whole = read(bytes.len().max(1));
    let expected = format!("{whole:?}");
    for piece in PIECES {
        assert_eq!(format!("{:?}", read(piece)), expected, "in pieces of {piece}");
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A target, and its name.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 5] = [
        ("chunked_body", chunked_body),
        ("message_rules", message_rules),
        ("request_head", request_head),
        ("response_head", response_head),
        ("whole_path", whole_path),
    ];

    /// The names in a folder of `lb/fuzz`.
    fn names(folder: &str) -> Vec<String> {
        let entries = fs::read_dir(format!("{}/fuzz/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_seeds_of_the_fuzzer_pass() {
        assert_eq!(names("seeds"), TARGETS.map(|(name, _)| name), "every target has seeds");
        assert_eq!(names("fuzz_targets"), TARGETS.map(|(name, _)| format!("{name}.rs")));
        for (name, target) in TARGETS {
            for seed in names(&format!("seeds/{name}")) {
                let path = format!("seeds/{name}/{seed}");
                // Shown only if it fails: then the last line names the culprit.
                println!("{path}");
                target(&fs::read(format!("{}/fuzz/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap());
            }
        }
    }
}
