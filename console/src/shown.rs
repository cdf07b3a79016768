//! Text from outside on a terminal.

/// A text with a mark in place of each character that would do something to a terminal, or change the
/// direction of writing.
pub fn shown(text: &str) -> String {
    let safe = |character: char| if character.is_control() || is_mark(character) { '?' } else { character };
    text.chars().map(safe).collect()
}

/// Whether a character ends a line, is invisible, or changes the direction of writing (Unicode Standard Annex
/// 9). The balancer has a shorter list, for its own texts: a line of a log is not cut into columns.
fn is_mark(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_invisible = matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    );
    turns || is_invisible || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_does_nothing_to_a_terminal() {
        for (text, expected) in [
            ("GET /a b", "GET /a b"),
            ("a\u{1b}[2Jb\nc\u{7}\u{9b}", "a?[2Jb?c??"),
            ("\u{202e}txt\u{2066}\u{200f}", "?txt??"),
            ("a\u{61c}b\u{2028}c\u{2029}d\u{feff}", "a?b?c?d?"),
            ("pay\u{200b}pal\u{ad}\u{2060}\u{e0041}", "pay?pal???"),
            ("ä ● ×", "ä ● ×"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
