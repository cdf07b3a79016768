//! Tests: the pages about faults say what the program does, and their examples work.

use serde_json::Value;

use crate::support::{Backend, command};

/// The tables of docs/faults.md, each between two marks with its name.
fn tables() -> [(&'static str, String); 2] {
    [("capacity", demo_backend::capacity::page()), ("kinds", demo_backend::fault::page())]
}

/// Each JSON object in a text that begins with a kind.
fn examples(text: &str) -> Vec<Value> {
    let beginnings = ["{\"kind\"", "{ \"kind\""];
    let starts = beginnings.iter().flat_map(|beginning| text.match_indices(beginning));
    let read = |(at, _): (usize, &str)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter();
        values.next().unwrap_or_else(|| panic!("no JSON at {at}")).unwrap_or_else(|error| {
            panic!("{error} in {}", text[at..].lines().next().unwrap_or_default());
        })
    };
    starts.map(read).collect()
}

#[test]
fn each_example_of_a_page_is_accepted() {
    let help = String::from_utf8(command(&["--help"]).output().unwrap().stdout).unwrap();
    let backend = Backend::start();
    for (page, text, least) in [
        ("README.md", include_str!("../../../README.md"), 2),
        ("docs/faults.md", include_str!("../../../docs/faults.md"), demo_backend::fault::KINDS.len()),
        ("lab/src/topology/backend.rs", include_str!("../../../lab/src/topology/backend.rs"), 1),
        ("lab/src/claims/faults.rs", include_str!("../../../lab/src/claims/faults.rs"), 12),
        ("lab/examples/compare_policies.rs", include_str!("../../../lab/examples/compare_policies.rs"), 1),
        ("demo-backend --help", &help, 1),
    ] {
        let examples = examples(text);
        assert!(examples.len() >= least, "{page}: {examples:?}");
        for example in examples {
            backend.order_with("POST /faults", &example.to_string());
        }
        backend.order("DELETE /faults");
    }
}

#[test]
fn the_page_has_the_tables_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut right = page.clone();
    for (name, table) in tables() {
        let (begin, end) =
            (format!("<!-- {name}: written by a test -->\n"), format!("<!-- end of {name} -->\n"));
        let (before, rest) = right.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        right = format!("{before}{begin}\n{}\n{end}{after}", table);
    }
    if std::env::var_os("ROUNDABOUT_WRITE_FAULTS").is_some() {
        std::fs::write(path, &right).unwrap();
    } else {
        assert!(page == right, "write it again: ROUNDABOUT_WRITE_FAULTS=1 cargo test -p demo-backend pages");
    }
}
