//! The model in JavaScript gives the same views as the model in Rust: for the golden recordings, and for
//! random events. Node runs it here; the tests of the page run it in a browser.

#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers, what must not fail may panic")]

#[path = "twin/random.rs"]
mod random;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use api::Event;
use console::Model;
use serde_json::{Value, json};

use random::Lab;

/// The number of random sequences; the environment variable ROUNDABOUT_TWIN_SEQUENCES replaces it.
const SEQUENCES: u64 = 50;

/// Events, and the views of the model in Rust after each `every` of them and at the end.
fn sequence(name: &str, events: &[Value], every: usize) -> Value {
    let mut model = Model::default();
    let mut views = Vec::new();
    for (n, event) in (1..).zip(events) {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        model.apply(&event);
        if n % every == 0 || n == events.len() {
            views.push(serde_json::to_value(&model).unwrap());
        }
    }
    json!({"name": name, "every": every, "events": events, "views": views})
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn sequences() -> impl Iterator<Item = Value> {
    let golden = ["recording.jsonl", "golden/run.jsonl"].into_iter().map(|name| {
        let text = fs::read_to_string(tests().join(name)).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        sequence(name, &events, 50)
    });
    let number = std::env::var("ROUNDABOUT_TWIN_SEQUENCES").ok().and_then(|number| number.parse().ok());
    let random = (0..number.unwrap_or(SEQUENCES)).map(|seed| {
        let mut lab = Lab::new(seed);
        // Some are so long that old points, lines and marks are dropped.
        let length = if seed % 50 == 49 { 1500 } else { 20 + 8 * (seed % 50) };
        let events: Vec<Value> = (0..length).map(|_| serde_json::to_value(lab.event()).unwrap()).collect();
        sequence(&format!("seed {seed}"), &events, 40)
    });
    golden.chain(random)
}

#[test]
fn both_models_give_the_same_views() {
    if !Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success()) {
        // Not by a macro, so that the test runner does not keep it back.
        let why = "skipped: there is no `node`; the tests of the page compare the models in a browser";
        writeln!(std::io::stderr(), "both_models_give_the_same_views: {why}").unwrap();
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("twin");
    fs::create_dir_all(&folder).unwrap();
    // Node takes a file for a module only if its folder says so.
    fs::write(folder.join("package.json"), r#"{"type": "module"}"#).unwrap();
    let copy = |file: &Path| {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    };
    for entry in fs::read_dir(tests().parent().unwrap().join("page")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "js") {
            copy(&file);
        }
    }
    for name in ["compare.js", "run.mjs"] {
        copy(&tests().join("golden").join(name));
    }
    let mut lines = std::io::BufWriter::new(fs::File::create(folder.join("sequences.jsonl")).unwrap());
    let mut number = 0;
    for sequence in sequences() {
        writeln!(lines, "{sequence}").unwrap();
        number += 1;
    }
    lines.into_inner().unwrap();
    let output = Command::new("node")
        .current_dir(&folder)
        .args(["run.mjs", "model.js", "sequences.jsonl"])
        .output()
        .unwrap();
    let (found, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((&*found, &*errors), (&*format!("{number} sequences agree\n"), ""));
}
