//! The golden recordings: their events give exactly these models, as JSON. `twin.rs` compares the model in
//! JavaScript with the same files. `golden/make.mjs` says which run the larger one is from; the smaller one
//! is written by hand.

use std::path::Path;

use console::Model;

#[test]
fn the_golden_recordings_give_the_golden_models() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (name, model) in [("recording.jsonl", "model.json"), ("golden/run.jsonl", "golden/run.json")] {
        let recording = std::fs::read_to_string(folder.join(name)).unwrap();
        let file = folder.join(model);
        let mut model = Model::default();
        for (number, line) in (1..).zip(recording.lines()) {
            let event =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}, line {number}: {error}"));
            model.apply(&event);
        }
        let found = lines(&serde_json::to_value(&model).unwrap());
        if std::env::var_os("ROUNDABOUT_WRITE_GOLDEN").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == expected,
            "the model differs from that of tests/{name}; if it is right, run with ROUNDABOUT_WRITE_GOLDEN=1"
        );
    }
}

/// JSON with one line for each field, and for each element of a list: 60 cells would be 240 lines otherwise.
fn lines(model: &serde_json::Value) -> String {
    let field = |(name, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::Array(list) => {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            format!("{name:?}: [\n{}\n]", list.join(",\n"))
        }
        other => format!("{name:?}: {other}"),
    };
    let fields: Vec<String> = model.as_object().into_iter().flatten().map(field).collect();
    format!("{{\n{}\n}}\n", fields.join(",\n"))
}
