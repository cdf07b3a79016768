//! Makes text from outside safe for a terminal: characters that would move the cursor, colour the screen or
//! begin a new line are written as escapes.
//!
//! A file, a command line or an answer of the admin port can contain escape sequences (ECMA-48) that a
//! terminal obeys, line feeds that add false lines, and marks that change the direction of writing (Unicode
//! TR 36, "Trojan Source").

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// Whether a terminal does more with the character than show it.
fn acts(letter: char) -> bool {
    let turns = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The text with such characters as Rust writes them: `\n`, `\u{1b}`. A text without them is returned
/// unchanged.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    written(text, |letter, written| written.extend(letter.escape_default()))
}

/// The same for all texts and names in a document.
pub(crate) fn shown_document(document: Value) -> Value {
    match document {
        Value::String(text) => Value::String(shown(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(shown_document).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(name, value)| (shown(&name).into_owned(), shown_document(value))).collect()
        }
        other => other,
    }
}

/// The same for a JSON document as text, which stays the same document. Its line feeds are between its
/// strings.
pub(crate) fn shown_json(document: &str) -> String {
    let lines = document
        .split('\n')
        .map(|line| written(line, |letter, written| _ = write!(written, "\\u{:04x}", u32::from(letter))));
    lines.collect::<Vec<_>>().join("\n")
}

/// The text with a replacement of the same number of bytes for each such character, except line feeds, tabs
/// and carriage returns: bytes and lines keep their places.
pub(crate) fn in_place(text: &str) -> String {
    let stand_in = |letter: char| match (acts(letter), letter, letter.len_utf8()) {
        (false, _, _) | (_, '\n' | '\r' | '\t', _) => letter,
        (true, _, 1) => '?',
        (true, _, 2) => '\u{b7}',
        (true, _, _) => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(stand_in).collect()
}

fn written(text: &str, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut written = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match acts(letter) {
            true => write(letter, &mut written),
            false => written.push(letter),
        }
    }
    written.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_written_out_and_the_rest_stays() {
        let table = [
            ("plain, häß, 你好, \u{1f980}", "plain, häß, 你好, \u{1f980}"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r\tc\u{0}\u{7f}", "a\\nb\\r\\tc\\u{0}\\u{7f}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{202e}\u{2066}\u{2028}\u{feff}", "\\u{202e}\\u{2066}\\u{2028}\\u{feff}"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        let document = serde_json::json!({"\u{1b}": ["a\nb", {"c": "\u{9b}"}, 5, null]});
        assert_eq!(shown_document(document).to_string(), r#"{"\\u{1b}":["a\\nb",{"c":"\\u{9b}"},5,null]}"#);
    }

    #[test]
    fn a_document_stays_the_same_document() {
        let document = serde_json::json!({"a\u{9b}": ["\u{1b}\n\u{7f}", "\u{202e}", "ä"]});
        let text = shown_json(&format!("{document:#}"));
        assert!(!text.chars().any(|letter| acts(letter) && letter != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }

    #[test]
    fn a_stand_in_has_as_many_bytes() {
        let text = "a\u{1b}\u{9b}\u{202e}ä\n\t\r\u{feff}";
        assert_eq!(in_place(text), "a?\u{b7}\u{fffd}ä\n\t\r\u{fffd}");
        assert_eq!(in_place(text).len(), text.len());
    }
}
