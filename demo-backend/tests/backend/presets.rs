//! Tests: the presets do what they say.

use serde_json::{Value, json};

use crate::support::{Backend, eventually};

/// Carries out a preset, with other values for some of its fields.
fn apply(backend: &Backend, name: &str, fields: &[(&str, Value)]) {
    let presets = backend.order("GET /presets");
    let preset = presets.as_array().unwrap().iter().find(|preset| preset["name"] == name).unwrap();
    let mut body = preset["body"].clone();
    for (name, value) in fields {
        body[name] = value.clone();
    }
    let text = |name: &str| preset[name].as_str().unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    backend.order_with(&format!("{} {}", text("method"), text("path")), &body);
}

#[test]
fn each_preset_is_a_command_that_the_control_port_accepts() {
    let backend = Backend::start();
    for preset in demo_backend::presets::PRESETS {
        let body: Value = serde_json::from_str(preset.body).unwrap();
        // Each argument is a field that the command knows.
        let fields: Vec<_> = preset
            .arguments
            .iter()
            .map(|name| (*name, body.get(name).cloned().unwrap_or_else(|| json!("1s"))))
            .collect();
        apply(&backend, preset.name, &fields);
    }
    let state = backend.order("GET /state");
    assert_eq!((&state["faults"], &state["worker"]["state"]), (&json!([]), &json!("running")));
}

#[test]
fn a_preset_breaks_a_backend_and_another_one_heals_it() {
    let backend = Backend::start();
    for (name, fields, status) in [
        ("err", vec![], 503),
        ("err", vec![("code", 500.into())], 500),
        ("flap", vec![("up", "1ms".into())], 503),
    ] {
        apply(&backend, name, &fields);
        eventually("it answers with an error", || backend.get("/").status == status);
        apply(&backend, "heal", &[]);
        assert_eq!(backend.get("/").status, 200, "{name}");
    }
    apply(&backend, "slow", &[]);
    assert_eq!(backend.get("/").header("x-lab-faults"), Some("1"));
    apply(&backend, "stall", &[]);
    let mut client = backend.client();
    client.ask("/");
    eventually("it stalls", || backend.order("GET /state")["faults"][1]["fired"] == 1);
    apply(&backend, "heal", &[]);
    assert_eq!(client.answer().status, 200);
    apply(&backend, "small", &[]);
    assert_eq!(backend.get("/").header("x-lab-service-us").unwrap().len(), "40000".len());
    apply(&backend, "kill", &[]);
    assert!(backend.refuses());
    apply(&backend, "heal", &[]);
    assert_eq!(backend.order("GET /capacity")["workers"], "unlimited");
}
