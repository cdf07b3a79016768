//! The faults of an answer, or of the chunks of a body, with words for the log.

/// The reason why an answer cannot be forwarded, or the rest of a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The answer does not begin with `HTTP/1.`.
    NotHttp,
    /// The first line is no status line: RFC 9112, section 4.
    StatusLine,
    /// The head is longer than the limit.
    TooLong,
    /// The head has more headers than the limit.
    TooManyHeaders,
    /// A line is no header, or has a wrong line end: RFC 9112, sections 2.2 and 5.
    Line,
    /// `Content-Length` is no number, or occurs more than once: RFC 9112, section 6.3.
    Length,
    /// `Transfer-Encoding` is not exactly one `chunked`: RFC 9112, section 6.1.
    Coding,
    /// `Transfer-Encoding` and `Content-Length` contradict each other: RFC 9112, section 6.3.
    Both,
    /// `Transfer-Encoding` in an answer of HTTP/1.0, which does not know it: RFC 9112, section 6.1.
    CodingInOld,
    /// `Connection` lists more options than the limit.
    Options,
    /// There are more interim answers before it than the limit.
    TooManyInterim,
    /// The answer switches to another protocol without a request for it: RFC 9110, section 7.8.
    Upgrade,
    /// A chunk does not begin with 1 to 16 hexadecimal digits: RFC 9112, section 7.1.
    ChunkSize,
    /// The text after a size is no extension: RFC 9112, section 7.1.1.
    ChunkExtension,
    /// The extensions of all chunks have too many bytes in total.
    ChunkExtensions,
    /// The line of a size has a wrong end or a control character, or is too long.
    ChunkLine,
    /// The data of a chunk does not end where its size says.
    ChunkEnd,
    /// The bytes after the last chunk are no trailers, or too many: RFC 9112, section 7.1.2.
    Trailers,
}

impl Fault {
    /// The fault in words, with the name of the header if it is about one.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NotHttp => "it does not begin with HTTP/1.",
            Self::StatusLine => "its first line is no status line",
            Self::TooLong => "its head is longer than 64 KiB",
            Self::TooManyHeaders => "it has more than 100 headers",
            Self::Line => {
                "a line of its head is no header, or does not end with a carriage return and a line feed"
            }
            Self::Length => "Content-Length is not a number, or occurs more than once",
            Self::Coding => "Transfer-Encoding is not exactly one 'chunked'",
            Self::Both => "it has both Transfer-Encoding and Content-Length",
            Self::CodingInOld => "Transfer-Encoding comes in HTTP/1.0",
            Self::Options => "Connection lists more than 32 options",
            Self::TooManyInterim => "more than 32 interim answers come before it",
            Self::Upgrade => "it answers 101, but its Upgrade header does not match the request",
            Self::ChunkSize => "the size of a chunk is not 1 to 16 hexadecimal digits",
            Self::ChunkExtension => "the text after the size of a chunk is no extension",
            Self::ChunkExtensions => "its chunks have more than 16 KiB of extensions",
            Self::ChunkLine => {
                "the line with the size of a chunk does not end with a carriage return and a line feed, has a \
                 control character, or is longer than 16 KiB"
            }
            Self::ChunkEnd => "a chunk does not end with a carriage return and a line feed",
            Self::Trailers => "its trailers are malformed, longer than 16 KiB, or more than 100",
        }
    }
}
