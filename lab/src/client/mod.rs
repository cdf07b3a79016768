//! The HTTP client of the lab, for the balancer and the backends.
//!
//! A [`Client`] has one keep-alive connection and sends one request at a time over it, without retries:
//! errors of the server must reach the caller. There is one exception, which RFC 9112 section 9.3.1 demands
//! of every client: a request that was never sent, because the server had closed the idle connection
//! meanwhile, is sent on a new one.

mod events;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The beginning of the reason of a request that exceeded its time limit.
pub(crate) const IMPATIENT: &str = "no complete answer within";

pub use events::{Event, Events};

/// A complete answer of a server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

impl Answer {
    /// The value of a header, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, with replacement characters for invalid UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// If it is no JSON or has another structure; quotes the start of the body.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("the answer is not the JSON expected: {:.200}", self.text()))
    }

    /// The answer itself if its status is a success (2xx).
    ///
    /// # Errors
    /// For any other status; quotes the start of the body, where the server gives the reason.
    pub fn ok(self) -> Result<Self> {
        ensure!(self.status.is_success(), "answered {}: {:.200}", self.status, self.text().trim());
        Ok(self)
    }
}

/// One keep-alive connection to one server, opened for the first request.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    host: HeaderValue,
    patience: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client for the server at this address, with a time limit of 10 seconds for an answer.
    pub fn new(server: SocketAddr) -> Self {
        let host = HeaderValue::try_from(server.to_string()).unwrap_or(HeaderValue::from_static("lab"));
        Self { server, host, patience: Duration::from_secs(10), connection: None }
    }

    /// Changes the time limit for a whole exchange, from connecting to the last byte of the body.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// As [`Client::send`]; and if `path` is no path.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(request(Method::GET, path, Bytes::new())?).await
    }

    /// Sends a POST.
    ///
    /// # Errors
    /// As [`Client::send`]; and if `path` is no path.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        self.send(request(Method::POST, path, body.into())?).await
    }

    /// Sends any request. Adds a `Host` header if there is none.
    ///
    /// # Errors
    /// If the server cannot be reached, ends the connection early, or exceeds the time limit. Any complete
    /// answer is `Ok`, whatever its status.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Answer> {
        let (method, path) = (request.method().clone(), request.uri().clone());
        let outcome = timeout(self.patience, self.exchange(request)).await;
        // A connection that failed, or that may still deliver a late answer, must not be used again.
        if !matches!(outcome, Ok(Ok(_))) {
            self.connection = None;
        }
        outcome
            .unwrap_or_else(|_| Err(anyhow!("{IMPATIENT} {:?}", self.patience)))
            .with_context(|| format!("{method} http://{}{path}", self.server))
    }

    /// Sends any request on a connection of its own and returns the body as a stream, for answers that never
    /// end.
    ///
    /// # Errors
    /// If the server cannot be reached or ends the connection before the head of its answer.
    async fn stream(&self, request: Request<Bytes>) -> Result<http::Response<Incoming>> {
        let mut connection = self.connect().await?;
        Ok(connection.send_request(self.prepare(request)).await?)
    }

    async fn exchange(&mut self, request: Request<Bytes>) -> Result<Answer> {
        let mut request = self.prepare(request);
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            match kept.try_send_request(request).await {
                Ok(response) => return self.finish(kept, response).await,
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failure.into_error().into()),
                },
            }
        }
        let mut fresh = self.connect().await?;
        let response = fresh.send_request(request).await?;
        self.finish(fresh, response).await
    }

    async fn finish(
        &mut self,
        connection: SendRequest<Full<Bytes>>,
        response: http::Response<Incoming>,
    ) -> Result<Answer> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("the answer ended early")?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.server).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The future that waits for the answer also gets the error of the connection.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn prepare(&self, request: Request<Bytes>) -> Request<Full<Bytes>> {
        let mut request = request.map(Full::new);
        request.headers_mut().entry(header::HOST).or_insert_with(|| self.host.clone());
        request
    }
}

/// Builds a request for [`Client::send`], to which headers can be added.
///
/// # Errors
/// If `path` is no path.
pub fn request(method: Method, path: &str, body: Bytes) -> Result<Request<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .with_context(|| format!("{path:?} is no path: it has to start with / and hold no spaces"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

    /// A server that plays one script per connection, one step for each request that it reads. An empty step
    /// closes the connection without an answer.
    async fn server(scripts: &'static [&'static [&'static [u8]]]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                for step in *script {
                    if stream.read(&mut buffer).await.unwrap() == 0 || step.is_empty() {
                        break;
                    }
                    stream.write_all(step).await.unwrap();
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn two_requests_share_one_connection() {
        let mut client = Client::new(server(&[&[HELLO, HELLO]]).await);
        assert_eq!(client.get("/").await.unwrap().text(), "hi");
        assert_eq!(client.post("/", "body").await.unwrap().text(), "hi");
    }

    #[tokio::test]
    async fn a_connection_the_server_closed_while_idle_is_replaced() {
        let mut client = Client::new(server(&[&[HELLO], &[HELLO]]).await);
        client.get("/").await.unwrap();
        crate::eventually(Duration::from_secs(2), "the close to arrive", async || {
            ensure!(client.connection.as_ref().is_some_and(SendRequest::is_closed), "still open");
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(client.get("/").await.unwrap().text(), "hi");
    }

    #[tokio::test]
    async fn a_request_that_was_sent_is_never_sent_again() {
        let mut client = Client::new(server(&[&[HELLO, b""], &[HELLO]]).await);
        client.get("/").await.unwrap();
        let error = format!("{:#}", client.get("/").await.unwrap_err());
        assert!(error.contains("GET http://127.0.0.1"), "{error}");
        assert_eq!(client.get("/").await.unwrap().text(), "hi");
    }

    #[tokio::test]
    async fn a_silent_server_costs_no_more_than_the_patience() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let error = client.patience(Duration::from_millis(50)).get("/").await.unwrap_err();
        assert!(format!("{error:#}").contains("within 50ms"), "{error:#}");
    }

    #[tokio::test]
    async fn a_body_cut_short_is_an_error() {
        const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhi";
        let mut client = Client::new(server(&[&[CUT]]).await);
        assert!(client.get("/").await.is_err());
    }

    #[tokio::test]
    async fn a_path_that_is_none_is_named() {
        let error = request(Method::GET, "no path", Bytes::new()).unwrap_err();
        assert!(format!("{error:#}").contains("no path"), "{error:#}");
    }
}
