//! One HTTP exchange on a separate connection, in which any answer counts: it shows whether a process answers
//! at all.
//!
//! The kernel completes handshakes for a stopped process, so a connection is no evidence that the process
//! runs. `OPTIONS *` is the method that asks for nothing but an answer (RFC 9110, section 9.3.7). The status
//! line is enough: even a server with invalid answers is a server that runs.

use std::time::Duration;

use balance::verdict::Failure;
use http::header::{CONNECTION, HOST, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time;

use super::exchange::host;
use crate::config::Config;
use crate::pool::Backend;
use crate::proxy::upstream::connect::reach;
use crate::resolver::Resolver;
use crate::transport::Stream;

/// Limit for the bytes of a status line. It has three words, and the last one is for people.
const STATUS_LINE: usize = 4 * 1024;

/// Bytes after the status line that are read, so that the sender sees a regular end.
const REST: u64 = 64 * 1024;

/// Asks a backend one question on a new connection, at the port for requests: the request of pings if they
/// have a path, otherwise `OPTIONS *`, with the host and the headers of pings. Any status line is an answer.
/// The limit for connecting is `timeout`, and the limit for the answer is the same again.
///
/// # Errors
/// There was no answer. [`Failure::OutOfResources`] is no evidence about the backend: this process could not
/// ask.
pub(crate) async fn ask_anything(
    backend: &Backend,
    config: &Config,
    timeout: Duration,
) -> Result<(), Failure> {
    let question = question(backend, config)?;
    let stream = reach(backend, None, timeout, &Resolver::system()).await?;
    let stream =
        time::timeout(timeout, exchange(stream, &question)).await.unwrap_or(Err(Failure::HeadTimeout))?;
    // The verdict does not wait for the rest.
    tokio::spawn(time::timeout(timeout, read_rest(stream)));
    Ok(())
}

fn question(backend: &Backend, config: &Config) -> Result<Vec<u8>, Failure> {
    let host = host(backend, config)?;
    // The backend is known to answer the path of pings.
    let mut question = match &config.ping.path {
        Some(path) => format!("{} {path} HTTP/1.1\r\n", config.ping.method).into_bytes(),
        None => b"OPTIONS * HTTP/1.1\r\n".to_vec(),
    };
    let own = [(&HOST, &host), (&CONNECTION, &HeaderValue::from_static("close"))];
    for (name, value) in own.into_iter().chain(config.ping.headers.iter().map(|(name, value)| (name, value)))
    {
        question.extend_from_slice(name.as_str().as_bytes());
        question.extend_from_slice(b": ");
        question.extend_from_slice(value.as_bytes());
        question.extend_from_slice(b"\r\n");
    }
    question.extend_from_slice(b"\r\n");
    Ok(question)
}

/// Sends the question and waits for a status line.
async fn exchange(mut stream: Stream, question: &[u8]) -> Result<Stream, Failure> {
    // A server may answer and close before it has read the question: its answer still counts.
    let _ = stream.write_all(question).await;
    let mut answer = Vec::with_capacity(512);
    while !has_status(&answer)? {
        if answer.len() > STATUS_LINE {
            return Err(Failure::Malformed);
        }
        match stream.read_buf(&mut answer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Failure::ClosedEarly),
        }
    }
    Ok(stream)
}

/// Whether a complete status line has arrived; the bytes after it do not matter.
fn has_status(answer: &[u8]) -> Result<bool, Failure> {
    let mut fields = [];
    let mut parsed = httparse::Response::new(&mut fields);
    let read = parsed.parse(answer);
    match (parsed.code, read) {
        (Some(_), _) => Ok(true),
        (None, Ok(_)) => Ok(false),
        (None, Err(_)) => Err(Failure::Malformed),
    }
}

async fn read_rest(stream: Stream) {
    let _ = tokio::io::copy(&mut stream.take(REST), &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Flags;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// The result of asking a server that reads the question and answers with these bytes.
    async fn asked(host: &str, answer: Vec<u8>) -> (Result<(), Failure>, String) {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let backend = at(host, listener.local_addr().unwrap().port());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut question).await.unwrap() > 0);
            }
            stream.write_all(&answer).await.unwrap();
            drop(stream);
            String::from_utf8(question).unwrap()
        };
        let config = config();
        tokio::join!(ask_anything(&backend, &config, TIMEOUT), serving)
    }

    /// The default configuration, with a header.
    fn config() -> Config {
        let text = "[[backend]]\nurl = \"http://a\"\n[health]\nping_headers = [\"X-Probe: 1\"]";
        crate::config::read(Some(("lb.toml", text)), &Flags::default()).unwrap().config
    }

    fn at(host: &str, port: u16) -> Backend {
        crate::pool::backend(1, host, port)
    }

    #[tokio::test]
    async fn any_status_line_is_an_answer() {
        let many_headers: String = (0..300).map(|n| format!("x-{n}: {n}\r\n")).collect();
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), Ok(())),
            ("HTTP/1.0 500 \r\n\r\n".to_owned(), Ok(())),
            ("HTTP/1.1 404\r\n\r\n".to_owned(), Ok(())),
            (format!("HTTP/1.1 200 OK\r\n{many_headers}\r\n"), Ok(())),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), Ok(())),
            ("HTTP/1.1 200 OK\r\nhalf of a hea".to_owned(), Ok(())),
            ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), Ok(())),
            ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), Err(Failure::Malformed)),
            (String::new(), Err(Failure::ClosedEarly)),
            ("HTTP/1.1".to_owned(), Err(Failure::ClosedEarly)),
        ];
        for (answer, expected) in table {
            assert_eq!(asked("127.0.0.1", answer.clone().into_bytes()).await.0, expected, "{answer:?}");
        }
        // Empty lines may precede a status line, but not without limit.
        let endless = vec![b'\n'; 2 * STATUS_LINE];
        assert_eq!(asked("127.0.0.1", endless).await.0, Err(Failure::Malformed));
    }

    #[tokio::test]
    async fn an_address_is_spelled_as_in_a_url() {
        for (host, spelled) in [("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:")] {
            let (answered, question) = asked(host, b"HTTP/1.1 200 OK\r\n\r\n".into()).await;
            assert_eq!(answered, Ok(()));
            assert!(question.contains(&format!("\r\nhost: {spelled}")), "{question}");
            assert!(question.ends_with("\r\nconnection: close\r\nx-probe: 1\r\n\r\n"), "{question}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_told_from_who_is_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = at("127.0.0.1", listener.local_addr().unwrap().port());
        // The kernel accepts the connection, and no process answers.
        let asked = ask_anything(&backend, &config(), Duration::from_millis(50)).await;
        assert_eq!(asked, Err(Failure::HeadTimeout));
        drop(listener);
        assert_eq!(ask_anything(&backend, &config(), TIMEOUT).await, Err(Failure::ConnectRefused));
    }
}
