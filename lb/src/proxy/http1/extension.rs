//! Is the text after a chunk's size a list of extensions? RFC 9112, section 7.1.1.
//!
//! Extensions are not forwarded, because no server needs them. But a reader that takes other bytes for
//! extensions sees other chunks.

use crate::proxy::message::values::is_token_byte;

/// Whether the text is `*( BWS ";" BWS name [ BWS "=" BWS value ] )`. Spaces are also allowed at its end,
/// because some servers pad sizes with them.
#[cold]
pub(super) fn are_extensions(mut text: &[u8]) -> bool {
    loop {
        text = behind_spaces(text);
        if text.is_empty() {
            return true;
        }
        match text.strip_prefix(b";").and_then(|text| behind_extension(behind_spaces(text))) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
}

/// The rest after a name with an optional value; `None` if the text does not begin with them.
fn behind_extension(text: &[u8]) -> Option<&[u8]> {
    let rest = behind_token(text)?;
    match behind_spaces(rest).strip_prefix(b"=").map(behind_spaces) {
        Some([b'"', quoted @ ..]) => behind_quoted(quoted),
        Some(value) => behind_token(value),
        None => Some(rest),
    }
}

/// The rest after a quoted string whose opening quote is already taken: RFC 9110, section 5.6.4.
fn behind_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if may_be_quoted(*byte) => text = rest,
            [byte, rest @ ..] if may_be_quoted(*byte) && *byte != b'\\' => text = rest,
            _ => return None,
        }
    }
}

fn may_be_quoted(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn behind_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    (length > 0).then(|| &text[length..])
}

fn behind_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| b" \t".contains(byte)).count();
    &text[spaces..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_names_with_or_without_values() {
        for text in [
            "",
            " ",
            "\t",
            ";a",
            ";a;b",
            " ; a ; b ",
            ";a=b",
            "; a\t=\tb",
            ";a=\"\"",
            ";a=\"b c;d=\\\"\"",
            ";a=\"\u{e9}\"",
            ";a=\"b\" ;c",
            ";a=\"\\\\\"",
            ";a=\"\t\"",
        ] {
            assert!(are_extensions(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn nothing_else_is_an_extension() {
        for text in [
            "a",
            "=",
            ";",
            "; ",
            ";;a",
            ";a;",
            ";=b",
            ";a=",
            ";a= ",
            ";a=;b",
            ";a b",
            ";a=b c",
            ";a=\"",
            ";a=\"b",
            ";a=\"b\\\"",
            ";a=\"b\\",
            ";a=\"b\"c",
            ";a\"b\"",
            ";(",
            ";a=(",
            ";a=b=c",
            ";\u{e9}",
            ";a=\"\x7f\"",
            ";a=\"\\\0\"",
            " a",
            ";a,b",
        ] {
            assert!(!are_extensions(text.as_bytes()), "{text:?}");
        }
    }
}
