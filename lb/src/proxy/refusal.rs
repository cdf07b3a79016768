//! Why is a request refused before any backend sees it? Every reason, with its status and its words.

use http::StatusCode;
use strum::{IntoStaticStr, VariantArray};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "refused_")]
pub enum Refusal {
    /// It is not HTTP at all, or has a line that no header is written like.
    Syntax,
    /// A line ends with a line feed alone. Some readers take that for a line end and some do not, so it is a
    /// way to hide one header from one of them: RFC 9112, section 2.2.
    BareLineFeed,
    /// HTTP, but neither 1.1 nor 1.0: RFC 9110, section 15.6.6.
    Version,
    /// The method is longer than 256 bytes, and so none that anybody knows: RFC 9112, section 3.
    Method,
    /// The target is longer than 8 KiB: RFC 9110, section 15.5.15.
    TargetTooLong,
    /// More than 64 KiB, or more than 100 headers: RFC 6585, section 5.
    HeadTooLarge,
    /// The target is in none of the forms of RFC 9112, section 3.2, or holds a byte that must be encoded.
    Target,
    /// `Host` is missing, doubled or not a host: RFC 9112, section 3.2.
    Host,
    /// `Content-Length` is no number, or not the only one: RFC 9112, section 6.3.
    Length,
    /// Its body is in a coding that is not taken off here: RFC 9112, section 6.1.
    Coding,
    /// Its end could be seen in two places: `Transfer-Encoding` that is not exactly `chunked`, beside a length,
    /// or in HTTP/1.0.
    Framing,
    /// A header such as `Content_Length`, which some backends cannot tell from the one with a hyphen.
    Underscore,
    /// Its body is larger than it may be here: RFC 9110, section 15.5.14.
    BodyTooLarge,
    /// It expects something else than `100-continue`: RFC 9110, section 10.1.1.
    Expectation,
    /// `CONNECT` asks for a forward proxy, and this is a gateway: RFC 9110, section 9.3.6.
    Connect,
    /// It has been here before: RFC 9110, section 7.6.3.
    Loop,
    /// Its head did not come in time: RFC 9110, section 15.5.9.
    TooSlow,
    /// `Connection` lists more than 32 options.
    ConnectionOptions,
    /// TLS, on a port for plain HTTP.
    Tls,
    /// A PROXY protocol header, of version 1 or 2.
    ProxyProtocol,
    /// The client sends nothing more, and has not sent all of it: RFC 9112, section 8.
    CutShort,
}

impl Refusal {
    /// Whether the client was set up for another protocol, so that all it ever sends is refused.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Tls | Self::ProxyProtocol)
    }

    /// What the client gets.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Syntax
            | Self::BareLineFeed
            | Self::Target
            | Self::Host
            | Self::Length
            | Self::Framing
            | Self::Underscore
            | Self::ConnectionOptions
            | Self::Tls
            | Self::ProxyProtocol
            | Self::CutShort => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Method | Self::Coding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// Why, in one line. Nothing of the request is repeated in it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Syntax => "this is not an HTTP request",
            Self::BareLineFeed => "a line ends without a carriage return",
            Self::Version => "only HTTP/1.1 and HTTP/1.0 are spoken here",
            Self::Method => "the method is longer than any that is known",
            Self::TargetTooLong => "the target is too long",
            Self::HeadTooLarge => "the headers are too large or too many",
            Self::Target => {
                "the target must be a path, or an http address with one, without spaces, controls or '#'"
            }
            Self::Host => "there must be one Host header, with a valid host",
            Self::Length => "there must be at most one Content-Length, and it must be a number",
            Self::Coding => "the only transfer coding understood here is chunked",
            Self::Framing => {
                "Transfer-Encoding must be chunked, once, in HTTP/1.1 and without a Content-Length"
            }
            Self::Underscore => "a header name with an underscore could be mistaken for one with a hyphen",
            Self::BodyTooLarge => "the body is larger than it may be here (--max-body)",
            Self::Expectation => "the only expectation understood here is 100-continue",
            Self::Connect => "CONNECT is for forward proxies; this is a load balancer",
            Self::Loop => "this request has been here before; a backend sends it back to this balancer",
            Self::TooSlow => "the request's head did not come in time",
            Self::ConnectionOptions => "Connection lists more than 32 options",
            Self::Tls => {
                "this looks like TLS, and this port speaks plain HTTP; use http://, or end TLS before it"
            }
            Self::ProxyProtocol => {
                "this looks like a PROXY protocol header, which is not understood here; switch it off in the proxy \
                 that sends it, and let that one send X-Forwarded-For (--trusted-proxies)"
            }
            Self::CutShort => "the request ended before it was complete",
        }
    }
}
