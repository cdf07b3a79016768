//! What is wrong with an answer, or with the chunks of a body? Every reason, with its words for the log.

use super::Malformed;

/// Why an answer cannot be passed on, or a body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not begin with `HTTP/1.`.
    NotHttp,
    /// Its first line is no status line: RFC 9112, section 4.
    StatusLine,
    /// It is longer than heads may be.
    TooLong,
    /// It has more headers than heads may have.
    TooManyHeaders,
    /// A line is no header, or does not end as lines do: RFC 9112, sections 2.2 and 5.
    Line,
    /// `Content-Length` is no number, or comes more than once: RFC 9112, section 6.3.
    Length,
    /// `Transfer-Encoding` is something else than `chunked`, once: RFC 9112, section 6.1.
    Coding,
    /// `Transfer-Encoding` and `Content-Length` contradict each other: RFC 9112, section 6.3.
    Both,
    /// `Transfer-Encoding` in an answer of HTTP/1.0, which does not know it: RFC 9112, section 6.1.
    CodingInOld,
    /// `Connection` lists more options than it may.
    Options,
    /// More interim answers come before it than may.
    TooManyInterim,
    /// It switches to another protocol without having been asked to: RFC 9110, section 7.8.
    Upgrade,
    /// A chunk does not begin with 1 to 16 hexadecimal digits: RFC 9112, section 7.1.
    ChunkSize,
    /// Something else than extensions stands behind a size: RFC 9112, section 7.1.1.
    ChunkExtension,
    /// All sizes together have too many bytes of extensions.
    ChunkExtensions,
    /// The line of a size does not end as lines do, has a control character, or is too long.
    ChunkLine,
    /// The data of a chunk does not end where its size says.
    ChunkEnd,
    /// What stands behind the last chunk are no trailers, or too many: RFC 9112, section 7.1.2.
    Trailers,
}

impl Fault {
    /// What is wrong, with the name of the header that it is about.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NotHttp => "it does not begin with HTTP/1.",
            Self::StatusLine => "its first line is no status line",
            Self::TooLong => "its head is longer than 64 KiB",
            Self::TooManyHeaders => "it has more than 100 headers",
            Self::Line => {
                "a line of its head is no header, or does not end with a carriage return and a line feed"
            }
            Self::Length => "Content-Length is no number, or comes more than once",
            Self::Coding => "Transfer-Encoding is not chunked alone and once",
            Self::Both => "Transfer-Encoding and Content-Length come together",
            Self::CodingInOld => "Transfer-Encoding comes in HTTP/1.0",
            Self::Options => "Connection lists more than 32 options",
            Self::TooManyInterim => "more than 32 interim answers come before it",
            Self::Upgrade => "it answers 101 with an Upgrade that the request did not ask for",
            Self::ChunkSize => "the size of a chunk is not 1 to 16 hexadecimal digits",
            Self::ChunkExtension => "what stands behind the size of a chunk is no extension",
            Self::ChunkExtensions => "its chunks have more than 16 KiB of extensions",
            Self::ChunkLine => {
                "the line with the size of a chunk does not end with a carriage return and a line feed, has a \
                 control character, or is longer than 16 KiB"
            }
            Self::ChunkEnd => "no carriage return and line feed stand at the end of a chunk",
            Self::Trailers => "its trailers are malformed, longer than 16 KiB, or more than 100",
        }
    }
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Line
    }
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            httparse::Error::Status | httparse::Error::Version | httparse::Error::Token => Self::StatusLine,
            _ => Self::Line,
        }
    }
}
