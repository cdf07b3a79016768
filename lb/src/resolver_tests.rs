//! Tests of look-ups that hang, that end late, and that have many callers.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Name servers that a test can stop: names that contain "hang" wait until the test releases them.
struct Held {
    resolver: Resolver,
    running: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    /// Dropped to release all.
    hold: Option<mpsc::Sender<()>>,
}

impl Held {
    fn new() -> Self {
        let (hold, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let (running, asked): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let (counts, asks) = (Arc::clone(&running), Arc::clone(&asked));
        let resolver = Resolver::new(move |name| {
            asks.fetch_add(1, SeqCst);
            counts.fetch_add(1, SeqCst);
            if name.contains("hang") {
                while held.lock().unwrap().recv_timeout(Duration::from_millis(1))
                    == Err(mpsc::RecvTimeoutError::Timeout)
                {}
            }
            counts.fetch_sub(1, SeqCst);
            match name.contains("none") {
                true => Err(io::Error::other("no such name")),
                false => Ok(vec!["10.0.0.1:0".parse().unwrap()]),
            }
        });
        Self { resolver, running, asked, hold: Some(hold) }
    }

    fn let_go(&mut self) {
        self.hold = None;
    }
}

fn backend(name: &str) -> Arc<Backend> {
    Arc::new(crate::pool::backend(1, name, 80))
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn soon(resolver: &Resolver, name: &str) -> Found {
    tokio::time::timeout(PATIENCE, resolver.look_up(name)).await.expect("an answer")
}

#[tokio::test]
async fn a_name_has_the_addresses_that_the_system_knows() {
    let held = Held::new();
    assert_eq!(soon(&held.resolver, "app").await.unwrap()[..], ["10.0.0.1:0".parse().unwrap()]);
    assert_eq!(soon(&held.resolver, "none").await, Err(Failure::Unresolved));
    assert_eq!(soon(&Resolver::new(|_| Ok(Vec::new())), "app").await, Err(Failure::Unresolved));
    let out = Resolver::new(|_| Err(io::Error::from_raw_os_error(24)));
    assert_eq!(soon(&out, "app").await, Err(Failure::OutOfResources));
}

#[tokio::test]
async fn many_who_ask_for_a_name_share_one_look_up() {
    let mut held = Held::new();
    let resolver = held.resolver.clone();
    let asking = futures_util::future::join_all((0..100).map(|_| resolver.look_up("hang")));
    tokio::pin!(asking);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut asking).await.is_err(), "it hangs");
    held.let_go();
    let found = tokio::time::timeout(PATIENCE, asking).await.expect("answers");
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(held.asked.load(SeqCst), 1);
}

#[tokio::test]
async fn look_ups_that_hang_take_few_threads_and_leave_some_to_others() {
    let mut held = Held::new();
    assert!(soon(&held.resolver, "app").await.is_ok());
    let backends: Vec<_> = (0..100).map(|n| backend(&format!("hang-{n}"))).collect();
    for _ in 0..3 {
        backends.iter().for_each(|backend| held.resolver.refresh(backend));
    }
    let most = MOST - RESERVED;
    eventually("they run", || held.running.load(SeqCst) == most).await;
    // A name with fast look-ups has a thread of its own.
    assert!(soon(&held.resolver, "app").await.is_ok());
    assert_eq!(held.running.load(SeqCst), most);
    held.let_go();
    eventually("all have addresses", || backends.iter().all(|backend| !backend.own.resolved.is_empty()))
        .await;
    assert_eq!(held.asked.load(SeqCst), 102);
}

#[tokio::test]
async fn an_answer_that_nothing_waits_for_any_more_is_kept() {
    let mut held = Held::new();
    let app = backend("hang");
    held.resolver.refresh(&app);
    let impatient = tokio::time::timeout(Duration::from_millis(10), held.resolver.resolve(&app)).await;
    assert!(impatient.is_err() && app.own.resolved.is_empty());
    held.let_go();
    eventually("it has an address", || !app.own.resolved.is_empty()).await;
    assert_eq!(app.own.resolved.addresses()[..], ["10.0.0.1:80".parse().unwrap()]);
}

#[tokio::test]
async fn the_last_good_answer_stays() {
    let held = Held::new();
    let none = backend("none");
    none.own.resolved.set(vec!["10.0.0.9:80".parse().unwrap()]);
    assert_eq!(held.resolver.resolve(&none).await, Err(Failure::Unresolved));
    assert_eq!(none.own.resolved.addresses()[..], ["10.0.0.9:80".parse().unwrap()]);
}

#[tokio::test]
async fn a_backend_does_not_ask_again_at_once() {
    let held = Held::new();
    let app = backend("app");
    assert!(soon(&held.resolver, "app").await.is_ok());
    held.resolver.refresh(&app);
    held.resolver.refresh(&backend("10.0.0.1"));
    assert_eq!(held.asked.load(SeqCst), 1);
    tokio::time::sleep(SOON).await;
    held.resolver.refresh(&app);
    eventually("it has an address", || !app.own.resolved.is_empty()).await;
    assert_eq!(held.asked.load(SeqCst), 2);
}
