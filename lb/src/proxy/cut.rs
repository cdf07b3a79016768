//! The reasons why a body ends early.

/// The reason why the rest of a body is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection ended before the body did.
    #[error("the message ended early")]
    BrokeOff,
    /// Its chunks are malformed.
    #[error("the chunks are malformed")]
    Malformed,
    /// The body is larger than the limit.
    #[error("the message is too large")]
    TooLarge,
}
