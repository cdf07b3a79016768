//! The keys of the demo.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A command of the user; backends are given by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    KillOrStart(usize),
    StallOrContinue(usize),
    NextPolicy,
    Quit,
}

/// The characters of shift+1 to shift+4 on keyboards of the United States, Britain and Germany; with other
/// layouts, the letters and F1 to F4 work.
const SHIFTED: [&str; 4] = ["!", "@\"", "#£§", "$"];

const LETTERS: [char; 4] = ['a', 's', 'd', 'f'];

/// The help line.
pub(super) const HELP: &str =
    "1-4 kill or start  asdf (shift+1-4, F1-F4) stall or continue  p policy  q quit";

/// Reads a key press; `None` if the key has no meaning.
pub(super) fn command(key: KeyEvent) -> Option<Command> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => Some(Command::Quit),
        KeyCode::Char('c' | 'd') if control => Some(Command::Quit),
        KeyCode::Char('q' | 'Q') => Some(Command::Quit),
        KeyCode::Char('p' | 'P') => Some(Command::NextPolicy),
        KeyCode::F(number @ 1..=4) => Some(Command::StallOrContinue(number.into())),
        // Some terminals report the key and the shift key separately.
        KeyCode::Char(digit @ '1'..='4') => {
            let number = digit as usize - '0' as usize;
            let shifted = key.modifiers.contains(KeyModifiers::SHIFT);
            Some(if shifted { Command::StallOrContinue(number) } else { Command::KillOrStart(number) })
        }
        KeyCode::Char(character) => {
            let shifted = SHIFTED.iter().position(|of_key| of_key.contains(character));
            let letter = LETTERS.iter().position(|letter| *letter == character.to_ascii_lowercase());
            shifted.or(letter).map(|index| Command::StallOrContinue(index + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        for (key, expected) in [
            (plain(KeyCode::Char('1')), Some(Command::KillOrStart(1))),
            (plain(KeyCode::Char('4')), Some(Command::KillOrStart(4))),
            (plain(KeyCode::Char('5')), None),
            (plain(KeyCode::Char('!')), Some(Command::StallOrContinue(1))),
            (plain(KeyCode::Char('"')), Some(Command::StallOrContinue(2))),
            (plain(KeyCode::Char('f')), Some(Command::StallOrContinue(4))),
            (plain(KeyCode::F(3)), Some(Command::StallOrContinue(3))),
            (KeyEvent::new(KeyCode::Char('2'), KeyModifiers::SHIFT), Some(Command::StallOrContinue(2))),
            (plain(KeyCode::F(5)), None),
            (plain(KeyCode::Char('q')), Some(Command::Quit)),
            (plain(KeyCode::Char('p')), Some(Command::NextPolicy)),
            (KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Command::Quit)),
            (KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL), Some(Command::Quit)),
            (plain(KeyCode::Char('c')), None),
        ] {
            assert_eq!(command(key), expected, "{key:?}");
        }
    }
}
