//! A second opinion on the bytes that backends receive: hyper finds the same requests in them as the reader
//! of the tests.
//!
//! hyper splits lines with httparse, which the balancer uses too; but it finds the end of a body, and thus of
//! a request, by itself. The received bytes are also saved for readers that share nothing with the balancer,
//! see `lb/tests/readers.py`.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::common::{Lb, NO_PINGS, Upstream, eventually, when};
use crate::conformance::{EVIL, FRAMING, TARGETS};
use crate::mutations::{damaged, send};

/// Damaged streams for each seed.
const STREAMS: usize = 50;
const SEEDS: std::ops::Range<u64> = 1000..1004;

/// A request as a reader understood it: method, target, body.
type Understood = (String, String, Vec<u8>);

/// All bytes of one connection, and the complete requests that the reader of the tests found in them.
#[derive(Debug)]
struct Record {
    bytes: Vec<u8>,
    understood: Vec<Understood>,
}

/// Sends streams to a separate balancer, and returns the bytes that reached its backend.
fn records(streams: impl Iterator<Item = Vec<u8>>) -> Vec<Record> {
    let records: Arc<Mutex<Vec<_>>> = Arc::default();
    let sink = Arc::clone(&records);
    let upstream = Upstream::raw(move |wire| {
        let mut wire = wire.recording();
        let mut understood = Vec::new();
        while let Ok(Some(head)) = wire.head()
            && let Ok(body) = wire.request_body(&head)
        {
            let [method, target, _] = head.first_line().split(' ').collect::<Vec<_>>()[..] else { break };
            understood.push((method.to_owned(), target.to_owned(), body));
            if wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
        sink.lock().unwrap().push(Record { bytes: wire.recorded().to_owned(), understood });
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    for stream in streams {
        send(&lb, &stream);
    }
    drop(lb);
    eventually("every connection has ended", || {
        let ended = records.lock().unwrap().len();
        when(ended == upstream.accepted(), ended)
    });
    std::mem::take(&mut records.lock().unwrap())
}

/// The requests that hyper finds in the bytes of a connection, and the error if it stops before their end.
async fn second_opinion(bytes: &[u8]) -> (Vec<Understood>, Option<hyper::Error>) {
    // Room for all requests and all answers.
    let (mut client, server) = tokio::io::duplex(bytes.len() + 64 * 1024);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let understood = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        understood.borrow_mut().push((head.method.to_string(), head.uri.to_string(), body));
        Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
    });
    let ended = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service).await;
    (understood.into_inner(), ended.err())
}

/// Whether hyper found the bytes to be incomplete, without an error before that.
fn is_cut(error: &hyper::Error) -> bool {
    let causes = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    causes.into_iter().any(|cause| {
        let end =
            cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::UnexpectedEof);
        end || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
    })
}

/// Saves the records for other readers.
fn keep(name: &str, records: &[Record]) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = records.iter().map(|Record { bytes, understood }| {
        let requests = understood.iter().map(|(method, target, body)| json!([method, target, hex(body)]));
        json!({"bytes": hex(bytes), "requests": requests.collect::<Vec<_>>()})
    });
    let path = format!("{}/received-{name}.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(path, json!(lines.collect::<Vec<_>>()).to_string()).unwrap();
}

/// Compares both opinions on each record, and returns the number of requests that they agree on.
fn agreed(name: &str, records: &[Record]) -> usize {
    keep(name, records);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for Record { bytes, understood } in records {
        let (by_hyper, error) = runtime.block_on(second_opinion(bytes));
        let bytes = bytes.escape_ascii();
        // hyper refuses some targets that the balancer passes on: its type for targets accepts fewer
        // characters.
        let strange = understood.iter().position(|(_, target, _)| target.parse::<hyper::Uri>().is_err());
        assert_eq!(understood[..strange.unwrap_or(understood.len())], by_hyper, "{bytes}");
        assert!(strange.is_some() || error.as_ref().is_none_or(is_cut), "{error:?} in {bytes}");
    }
    records.iter().map(|record| record.understood.len()).sum()
}

#[test]
fn a_second_reader_finds_the_same_requests_in_every_case_of_the_tables() {
    let cases = FRAMING.iter().chain(TARGETS);
    let records = records(cases.map(|(_, bytes, _)| format!("{bytes}{EVIL}").into_bytes()));
    let agreed = agreed("tables", &records);
    assert!(agreed > 50, "{agreed} requests");
}

#[test]
fn a_second_reader_finds_the_same_requests_in_damaged_streams() {
    std::thread::scope(|scope| {
        for seed in SEEDS {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let records = records((0..STREAMS).map(|_| damaged(&mut random)));
                let agreed = agreed(&format!("damaged-{seed}"), &records);
                assert!(agreed > STREAMS / 2, "{agreed} requests of seed {seed}");
            });
        }
    });
}
