//! Does a process answer at all? One HTTP exchange on a connection of its own, in which any answer counts.
//!
//! The kernel completes handshakes for a stopped process, so a connection proves nothing about it. `OPTIONS *` is the
//! method's way of asking nothing but for an answer (RFC 9110, section 9.3.7). The status line is enough: also a server
//! whose answers nobody could pass on is a server that runs.

use std::time::Duration;

use balance::verdict::Failure;
use http::header::{CONNECTION, HOST, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::host;
use crate::config::Config;
use crate::pool::Backend;
use crate::proxy::connect::reach;
use crate::resolver::Resolver;

/// Bytes within which a status line must end. It is three words, of which the last one is for people.
const STATUS_LINE: usize = 4 * 1024;

/// Bytes of the answer that are read behind the status line, so that its sender sees a regular end.
const REST: u64 = 64 * 1024;

/// Asks a backend one question on a fresh connection, at the port for requests: what pings ask for, if they ask for a path,
/// else `OPTIONS *`; with the host and the headers of pings.
/// Any status line is an answer. Connecting may take as long as `patience`, and the answer as long again.
///
/// # Errors
/// There was no answer. [`Failure::OutOfResources`] says nothing about the backend: this process could not ask.
pub(crate) async fn ask_anything(
    backend: &Backend,
    config: &Config,
    patience: Duration,
) -> Result<(), Failure> {
    let question = question(backend, config)?;
    let stream = reach(backend, None, patience, &Resolver::system()).await?;
    let stream = timeout(patience, exchange(stream, &question)).await.unwrap_or(Err(Failure::HeadTimeout))?;
    // The verdict does not wait for the rest.
    tokio::spawn(timeout(patience, read_rest(stream)));
    Ok(())
}

fn question(backend: &Backend, config: &Config) -> Result<Vec<u8>, Failure> {
    let host = host(backend, config)?;
    // A path that pings ask for is known to be answered.
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
async fn exchange(mut stream: TcpStream, question: &[u8]) -> Result<TcpStream, Failure> {
    // A server may answer before it has read, and close: its answer counts nevertheless.
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

/// Whether a status line has come; what stands behind it does not matter.
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

async fn read_rest(stream: TcpStream) {
    let _ = tokio::io::copy(&mut stream.take(REST), &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Flags;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// What comes of asking a server that reads the question and answers with these bytes.
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
        tokio::join!(ask_anything(&backend, &config, PATIENCE), serving)
    }

    /// The defaults, and a header.
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
        // Empty lines may precede a status line, but not without end.
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
        // The kernel accepts, and nothing answers.
        let asked = ask_anything(&backend, &config(), Duration::from_millis(50)).await;
        assert_eq!(asked, Err(Failure::HeadTimeout));
        drop(listener);
        assert_eq!(ask_anything(&backend, &config(), PATIENCE).await, Err(Failure::ConnectRefused));
    }
}
