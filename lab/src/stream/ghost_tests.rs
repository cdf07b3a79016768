//! Tests of the ghost with simulators that are shell scripts.

use std::os::unix::fs::PermissionsExt;

use api::{Hello, SCHEMA};

use super::super::clock::LabClock;
use super::super::join::Join;
use super::super::merge::Merge;
use super::*;

/// A ghost event, as a simulator writes it.
const LINE: &str = r#"{"event":"ghost","policy":"ring","tick":{"t":5}}"#;

/// A lab with a ghost, whose simulator is this script.
struct GhostLab {
    channel: Arc<Channel>,
    ghost: Ghost,
    _tasks: JoinSet<()>,
    folder: tempfile::TempDir,
}

fn ghost_lab(script: &str) -> GhostLab {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim");
    std::fs::write(&path, format!("#!/bin/sh\necho $@ >> {}/args\n{script}\n", folder.path().display()))
        .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let channel = Channel::new(LabClock::start(), Merge::new(0, None, Vec::new()), Join::default());
    let channel = Arc::new(channel);
    let policies = vec!["ring".into(), "random".into()];
    let hello = Hello { schema: SCHEMA, policies, ..Hello::default() };
    channel.take_in(|merge| merge.balancer(Event::Hello(Box::new(hello))));
    let mut tasks = JoinSet::new();
    let ghost = Ghost::new(channel.clone(), &mut tasks, move || Ok(path.clone()));
    GhostLab { channel, ghost, _tasks: tasks, folder }
}

/// Waits for an event whose text, as JSON, contains this.
async fn told(reader: &mut StreamReader, text: &str) -> Event {
    let read = async {
        loop {
            let (_, event) = reader.next().await.unwrap();
            if serde_json::to_string(&*event).unwrap().contains(text) {
                return Arc::unwrap_or_clone(event);
            }
        }
    };
    timeout(Duration::from_secs(10), read).await.unwrap_or_else(|_| panic!("{text} was not told"))
}

#[tokio::test]
async fn what_the_simulator_writes_is_in_the_stream() {
    // It answers the first event that it reads.
    let lab = ghost_lab(&format!("read first; echo nonsense; echo '{LINE}'; cat > /dev/null"));
    let mut reader = lab.channel.join();
    lab.ghost.set(Some("ring"), "a test").unwrap();
    told(&mut reader, "ghost ring").await;
    let Event::Ghost(ghost) = told(&mut reader, "\"event\":\"ghost\"").await else { panic!() };
    assert_eq!((&*ghost.policy, ghost.tick.t), ("ring", 5));
    let args = std::fs::read_to_string(lab.folder.path().join("args")).unwrap();
    assert_eq!(args, "--follow --in-force --policy ring\n");
    // Another policy is another process, and off is none.
    lab.ghost.set(Some("random"), "a test").unwrap();
    told(&mut reader, "\"event\":\"ghost\"").await;
    lab.ghost.set(None, "a test").unwrap();
    let Event::Control(off) = told(&mut reader, "ghost off").await else { panic!() };
    assert_eq!(off.change, Some(Change::Ghost { policy: None }));
    assert_eq!(lab.ghost.policy(), None);
    let args = std::fs::read_to_string(lab.folder.path().join("args")).unwrap();
    assert_eq!(args.lines().last(), Some("--follow --in-force --policy random"));
}

#[tokio::test]
async fn its_end_is_told_and_nothing_else_ends() {
    let lab = ghost_lab("echo 'it is broken' >&2; exit 3");
    let mut reader = lab.channel.join();
    lab.ghost.set(Some("ring"), "a test").unwrap();
    told(&mut reader, "the ghost has ended: exit status: 3: it is broken").await;
    told(&mut reader, "ghost off").await;
    assert_eq!(lab.ghost.policy(), None);
    lab.channel.tell_change("life goes on", "a test", None);
    told(&mut reader, "life goes on").await;
    // It can be switched on again.
    lab.ghost.set(Some("ring"), "a test").unwrap();
    told(&mut reader, "the ghost has ended").await;
}

#[tokio::test]
async fn a_simulator_that_does_not_read_delays_nothing_and_begins_again() {
    let lab = ghost_lab("exec sleep 60");
    let mut reader = lab.channel.join();
    lab.ghost.set(Some("ring"), "a test").unwrap();
    told(&mut reader, "ghost ring").await;
    let args = lab.folder.path().join("args");
    crate::eventually(Duration::from_secs(5), "the simulator", async || Ok(std::fs::metadata(&args)?))
        .await
        .unwrap();
    let tell = async {
        for number in 0..100_000 {
            let req = api::Req { id: number, ..api::Req::default() };
            lab.channel.tell(Event::Req(Box::new(req)));
            // The task that feeds it has its turns.
            if number % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(10), tell).await.expect("nothing waits for the simulator");
    told(&mut reader, "the ghost was too slow").await;
    assert!(lab.ghost.policy().is_some(), "it is still wanted");
}

#[tokio::test]
async fn a_policy_that_the_balancer_does_not_know_is_refused() {
    let lab = ghost_lab("exit 0");
    let error = lab.ghost.set(Some("rin"), "a test").unwrap_err().to_string();
    assert_eq!(error, "there is no policy \"rin\"; choose one of these: ring, random");
    let error = lab.ghost.set(Some(&"x".repeat(3000)), "a test").unwrap_err().to_string();
    assert!(error.len() < 200 && error.contains("x ...\"; choose one of these: ring"), "{error}");
    assert_eq!(lab.ghost.policy(), None);
}
