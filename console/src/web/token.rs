//! The token of one start of the server. A program that can read the page can send commands.

use std::fmt;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use subtle::ConstantTimeEq;

/// 128 random bits in hexadecimal digits. The page of this server has it, and a page of another site cannot
/// read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new token, from the random numbers of the operating system.
    ///
    /// # Errors
    /// If the operating system gives no random numbers.
    pub fn generate() -> Result<Self> {
        let mut bits = [0; 16];
        let mut source = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
        source.read_exact(&mut bits).context("cannot read /dev/urandom")?;
        Ok(Self(bits.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The digits.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is the token. The time of the comparison tells nothing about the token.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_new_and_only_itself() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one, other);
        assert!(one.text().len() == 32 && one.text().bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert!(one.is(one.text().as_bytes()));
        for shown in [other.text(), "", &one.text()[..31], &format!("{}0", one.text())] {
            assert!(!one.is(shown.as_bytes()), "{shown}");
        }
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
