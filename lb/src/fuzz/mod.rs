//! Properties that must be true for any bytes. Each function here is a target of a fuzzer: it takes bytes,
//! and panics if a property is not true.
//!
//! Only tests and fuzzers use this module. It gives fuzzers access to private parts of this crate. The
//! programs that `cargo xtask fuzz` runs are in `lb/fuzz`, with one line each. Their seeds are there too; a
//! test here runs all seeds each time.

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

/// Sizes of the pieces that bytes arrive in, besides all at once.
const PIECES: [usize; 4] = [1, 2, 3, 7];

/// The backend that heads are written for.
fn server() -> Address {
    Address { host: "192.0.2.1".to_owned(), port: 3031 }
}

/// The result is the same for all sizes of pieces: `read` takes the size.
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
                // Shown only if the test fails: then the last line names the seed that fails.
                println!("{path}");
                target(&fs::read(format!("{}/fuzz/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap());
            }
        }
    }
}
