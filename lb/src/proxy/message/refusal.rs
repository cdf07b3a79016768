//! The reasons for which a request is refused before any backend gets it, each with its status and its words.

use http::StatusCode;
use strum::{IntoStaticStr, VariantArray};

/// The reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "refused_")]
pub enum Refusal {
    /// The bytes are no HTTP request, or contain a line that is no header.
    Syntax,
    /// A line ends with a single line feed. Some readers accept this as a line end and some do not, so it can
    /// hide a header from one of them: RFC 9112, section 2.2.
    BareLineFeed,
    /// The version is neither HTTP/1.1 nor HTTP/1.0: RFC 9110, section 15.6.6.
    Version,
    /// The method is longer than 256 bytes, which is longer than any known method: RFC 9112, section 3.
    Method,
    /// The target is longer than 8 KiB: RFC 9110, section 15.5.15.
    TargetTooLong,
    /// The head has more than 64 KiB, or more than 100 headers: RFC 6585, section 5.
    HeadTooLarge,
    /// The target has none of the forms of RFC 9112, section 3.2, or contains a byte that must be encoded.
    Target,
    /// `Host` is missing, occurs twice or is no valid host: RFC 9112, section 3.2.
    Host,
    /// `Content-Length` is no number, or occurs twice: RFC 9112, section 6.3.
    Length,
    /// The body has a coding that is not supported: RFC 9112, section 6.1.
    Coding,
    /// The end of the request is ambiguous: `Transfer-Encoding` that is not exactly `chunked`, beside a
    /// length, or in HTTP/1.0.
    Framing,
    /// A header such as `Content_Length`, which some backends do not distinguish from the one with a hyphen.
    Underscore,
    /// The body is larger than the limit: RFC 9110, section 15.5.14.
    BodyTooLarge,
    /// The request expects something other than `100-continue`: RFC 9110, section 10.1.1.
    Expectation,
    /// `CONNECT` needs a forward proxy, and this is a gateway: RFC 9110, section 9.3.6.
    Connect,
    /// The request has passed through this balancer before: RFC 9110, section 7.6.3.
    Loop,
    /// The head did not arrive in time: RFC 9110, section 15.5.9.
    TooSlow,
    /// `Connection` lists more than 32 options.
    ConnectionOptions,
    /// TLS, on a port for plain HTTP.
    Tls,
    /// A PROXY protocol header, of version 1 or 2.
    ProxyProtocol,
    /// The client sends nothing more, and the request is incomplete: RFC 9112, section 8.
    CutShort,
}

impl Refusal {
    /// Whether the client is configured for another protocol, so that everything it sends is refused.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Tls | Self::ProxyProtocol)
    }

    /// The status for the client.
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

    /// The reason in one line. It repeats nothing of the request.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Syntax => "this is not an HTTP request",
            Self::BareLineFeed => "a line ends without a carriage return",
            Self::Version => "only HTTP/1.1 and HTTP/1.0 are supported",
            Self::Method => "the method is too long",
            Self::TargetTooLong => "the target is too long",
            Self::HeadTooLarge => "the headers are too large or too many",
            Self::Target => {
                "the target must be a path, or an http URL with a path, without spaces, control characters \
                 or '#'"
            }
            Self::Host => "there must be one Host header, with a valid host",
            Self::Length => "there must be at most one Content-Length, and it must be a number",
            Self::Coding => "the only supported transfer coding is chunked",
            Self::Framing => {
                "Transfer-Encoding must be chunked, once, in HTTP/1.1 and without a Content-Length"
            }
            Self::Underscore => "a header name with an underscore could be mistaken for one with a hyphen",
            Self::BodyTooLarge => "the body is larger than the limit (--max-body)",
            Self::Expectation => "the only supported expectation is 100-continue",
            Self::Connect => "CONNECT is for forward proxies; this is a load balancer",
            Self::Loop => "this request has passed through this balancer before: a backend sends it back",
            Self::TooSlow => "the head of the request did not arrive in time",
            Self::ConnectionOptions => "Connection lists more than 32 options",
            Self::Tls => {
                "this looks like TLS, but this port accepts plain HTTP only; use http://, or terminate TLS in \
                 front of the balancer"
            }
            Self::ProxyProtocol => {
                "this looks like a PROXY protocol header, which is not supported; switch it off in the proxy that \
                 sends it, and let that proxy send X-Forwarded-For (--trusted-proxies)"
            }
            Self::CutShort => "the request ended before it was complete",
        }
    }
}
