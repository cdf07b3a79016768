//! The description of one kind of request.

use http::Method;

use super::keys::Keys;
use super::sizes::Sizes;

/// The place of the key in a path.
pub(super) const KEY: &str = "{key}";

/// The place of the size in a path, in microseconds.
pub(super) const SIZE: &str = "{size}";

/// One kind of request.
///
/// A request can have a key and a size, which are drawn from the seed of the load. It carries them where the
/// call says, as decimal numbers; a size is a number of microseconds:
///
/// ```
/// # use std::time::Duration;
/// use lab::load::{Call, Keys, Sizes};
///
/// // GET /busy/48211, with the header X-User: 0
/// let call = Call::get("/busy/{size}")
///     .sizes(Sizes::Exponential(Duration::from_millis(50)))
///     .keys(Keys::Hot { keys: 40, share: 0.6 })
///     .header_from_key("x-user")
///     .rate(64.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) bytes: usize,
    pub(super) rate: f64,
    pub(super) keys: Option<Keys>,
    pub(super) sizes: Option<Sizes>,
    pub(super) key_header: Option<String>,
    pub(super) size_header: Option<String>,
}

impl Call {
    /// A GET of this path, once a second. In the path, `{key}` stands for the key of the request and `{size}`
    /// for its size.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            bytes: 0,
            rate: 1.0,
            keys: None,
            sizes: None,
            key_header: None,
            size_header: None,
        }
    }

    /// A POST with a body of this size, once a second. The body begins with the request's id, as far as it
    /// fits, so that all bodies are different.
    pub fn post(path: impl Into<String>, bytes: usize) -> Self {
        Self { method: Method::POST, bytes, ..Self::get(path) }
    }

    /// The number of requests a second in open loop. In closed loop, where the server sets the pace, the
    /// rates give the ratio of the calls.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        self.rate = per_second;
        self
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// Gives each request a key by this law. If neither the path nor a header has a place for it, the header
    /// `x-lab-key` carries it.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Gives each request a size by this law: the service time that it demands, in microseconds. If neither
    /// the path nor a header has a place for it, the header `x-lab-work` carries it.
    #[must_use]
    pub fn sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = Some(sizes);
        self
    }

    /// The header that carries the key.
    #[must_use]
    pub fn header_from_key(mut self, name: impl Into<String>) -> Self {
        self.key_header = Some(name.into());
        self
    }

    /// The header that carries the size.
    #[must_use]
    pub fn header_from_size(mut self, name: impl Into<String>) -> Self {
        self.size_header = Some(name.into());
        self
    }

    /// The path `/busy/{size}`, at which the test backend works for this number of microseconds.
    #[must_use]
    pub fn path_from_size(mut self) -> Self {
        self.path = format!("/busy/{SIZE}");
        self
    }
}
