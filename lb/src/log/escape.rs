//! Escapes text of clients in the log: no byte of it can end a line or a value, or control a terminal.

use std::fmt::Write;

/// Characters of a value that are shown; a longer value is cut, and ends with three dots.
const LONGEST: usize = 1024;

/// Which characters of a value need no escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// The value is in quotes, so spaces do not end it.
    Quotes,
    /// The value is between spaces.
    Spaces,
}

impl Within {
    fn allows(self, byte: u8) -> bool {
        let is_visible = byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        is_visible || (byte == b' ' && self == Self::Quotes)
    }
}

/// Adds a value between spaces. Only visible ASCII stays as it is; other bytes, quotes and backslashes become
/// `\xNN`, as in nginx. An empty value is `-`.
pub fn bare(out: &mut String, value: &str) {
    match value {
        "" => out.push('-'),
        value => escape(out, value, Within::Spaces),
    }
}

/// Adds a value in quotes, by the same rules; spaces stay.
pub fn quoted(out: &mut String, value: &str) {
    out.push('"');
    escape(out, value, Within::Quotes);
    out.push('"');
}

/// Adds a value without the quotes around it.
pub(super) fn inside(out: &mut String, value: &str) {
    escape(out, value, Within::Quotes);
}

fn escape(out: &mut String, value: &str, within: Within) {
    for byte in value.bytes() {
        match within.allows(byte) {
            true => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            false => _ = write!(out, "\\x{byte:02x}"),
        }
    }
}

/// Adds a JSON string in pure ASCII: RFC 8259, section 7.
pub(super) fn json(out: &mut String, value: &str) {
    out.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            _ => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Bytes as text, cut to a length that fits into a log.
pub(crate) fn shortened(value: &[u8]) -> String {
    match value.len() {
        ..=LONGEST => String::from_utf8_lossy(value).into_owned(),
        _ => format!("{}...", String::from_utf8_lossy(&value[..LONGEST])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_leave_its_place() {
        let table = [
            ("plain/a?b=c%20", "plain/a?b=c%20", "\"plain/a?b=c%20\""),
            ("", "-", "\"\""),
            ("a b", "a\\x20b", "\"a b\""),
            ("x\" status=\"200", "x\\x22\\x20status=\\x22200", "\"x\\\" status=\\\"200\""),
            ("a\r\nb", "a\\x0d\\x0ab", "\"a\\u000d\\u000ab\""),
            ("\u{1b}[2J\u{9b}", "\\x1b[2J\\xc2\\x9b", "\"\\u001b[2J\\u009b\""),
            ("\\\u{7f}\t\0", "\\x5c\\x7f\\x09\\x00", "\"\\\\\\u007f\\u0009\\u0000\""),
            ("é\u{1f600}", "\\xc3\\xa9\\xf0\\x9f\\x98\\x80", "\"\\u00e9\\ud83d\\ude00\""),
        ];
        for (value, expected_bare, expected_json) in table {
            let (mut text, mut in_json, mut in_quotes) = (String::new(), String::new(), String::new());
            bare(&mut text, value);
            json(&mut in_json, value);
            quoted(&mut in_quotes, value);
            assert_eq!((&text[..], &in_json[..]), (expected_bare, expected_json));
            assert_eq!(serde_json::from_str::<String>(&in_json).unwrap(), value);
            assert_eq!(in_quotes.matches('"').count(), 2, "{in_quotes}");
            assert!(
                [&text, &in_json, &in_quotes]
                    .iter()
                    .all(|told| told.bytes().all(|b| (b' '..=b'~').contains(&b)))
            );
        }
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shortened(b"short\xff"), "short\u{fffd}");
        assert_eq!(shortened(&[b'x'; 5000]).len(), LONGEST + 3);
    }
}
