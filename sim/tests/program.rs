//! The program `sim` with the stream of a lab: events come in as lines, and lines go out.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A stream of 4 seconds: 100 requests a second, each served for 10 ms by one of two servers.
fn stream() -> String {
    let backend = |number: u64| json!({"backend": number, "url": format!("http://127.0.0.1:303{number}"), "weight": 1, "mode": "ready"});
    let mut lines = vec![json!({
        "event": "hello", "schema": 1, "t": 0, "policy": "random", "backends": [backend(1), backend(2)],
    })];
    for count in 0_u64..400 {
        let t = count * 10_000 + 10_000;
        if count % 25 == 0 {
            let server = json!({"process": "running", "workers": 1});
            let backends = [json!({"backend": 1, "server": server}), json!({"backend": 2, "server": server})];
            lines.push(json!({"event": "tick", "t": t, "backends": backends}));
        }
        lines.push(json!({
            "event": "req", "t": t, "total_us": 10_000, "head_us": 10_000, "service_us": 10_000,
            "server_queue_us": 0, "status": 200, "backend": 1, "attempts": 1,
        }));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn sim(args: &[&str], input: &str) -> std::io::Result<Output> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = program.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    program.wait_with_output()
}

#[test]
fn a_ghost_is_told_in_lines() {
    let mut input = stream();
    input += "{\"event\":\n";
    let output = sim(&["--follow", "--policy=least-connections"], &input).unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let ghosts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ghosts.len(), 16, "{text}");
    for (count, ghost) in (1..).zip(&ghosts) {
        assert_eq!((&ghost["event"], &ghost["policy"]), (&json!("ghost"), &json!("least-connections")));
        assert_eq!(ghost["tick"]["t"], json!(count * 250_000));
    }
    assert_eq!(ghosts[15]["tick"]["requests"], 400);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("skipped lines that are no events: 1; the first: "), "{errors}");
}

/// The first tick comes while the input is still open.
#[test]
fn a_ghost_does_not_wait_for_the_end_of_the_stream() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sim"))
        .arg("--follow")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    stdin.write_all(stream().as_bytes()).unwrap();
    stdin.flush().unwrap();
    let mut beginning = [0; 16];
    program.stdout.take().unwrap().read_exact(&mut beginning).unwrap();
    assert_eq!(&beginning, b"{\"event\":\"ghost\"");
    drop(stdin);
    program.wait().unwrap();
}

#[test]
fn a_stream_without_a_beginning_is_an_error() {
    let output = sim(&["--follow"], "{\"event\":\"tick\",\"t\":1}\n").unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("the input has no event `hello`"), "{errors}");
}

#[test]
fn a_recording_is_a_table() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("stream.jsonl");
    std::fs::write(&file, stream()).unwrap();
    let path = file.to_str().unwrap();
    let output = sim(&["replay", path], "").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].ends_with("stream.jsonl: 400 requests under random"), "{text}");
    assert!(rows[3].starts_with("live ") && rows[4].starts_with("round-robin "), "{text}");
    assert_eq!(rows.len(), 3 + 1 + 15 + 2, "{text}");
    assert!(rows[20].starts_with("random in the simulation and live: mean +"), "{text}");

    let output = sim(&["replay", path, "--policy=round-robin", "--json"], "").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = figures.iter().map(|it| (&it["policy"], &it["calls"], &it["mean_ms"])).collect();
    let (ten, calls) = (json!(10.0), json!(400));
    assert_eq!(told, [(&json!("live"), &calls, &ten), (&json!("round-robin"), &calls, &ten)]);
}
