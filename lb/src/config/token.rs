//! The token that is required to change a balancer whose admin port can be reached from other machines.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A shorter token could be guessed by trying.
    const LEAST: usize = 16;

    /// Reads a token: the part after `Bearer` in `Authorization` (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        match text.len() >= Self::LEAST && text.trim_end_matches('=').bytes().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "write at least {} letters, digits and -._~+/; 'openssl rand -hex 32' makes such a token",
                Self::LEAST
            )),
        }
    }

    /// Whether the given bytes are the token. The time of the comparison reveals nothing except the length.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_fits_into_a_header() {
        let token = Token::read("0123456789abcde-._~+/==").unwrap();
        assert!(token.is(b"0123456789abcde-._~+/=="));
        for other in ["", "0123456789abcde-._~+/=", "0123456789abcde-._~+/=?", "0123456789abcdf-._~+/=="] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        for wrong in ["", "0123456789abcde", "0123456789 abcdef", "0123456789äbcdef", "0123456789=abcdef"] {
            assert!(Token::read(wrong).unwrap_err().contains("at least 16"), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
