//! Why a body ends before its end.

/// Why the rest of a body cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection ended before it did.
    #[error("the message broke off")]
    BrokeOff,
    /// Its chunks are malformed.
    #[error("the chunks are malformed")]
    Malformed,
    /// It is larger than it may be.
    #[error("the message is too large")]
    TooLarge,
}
