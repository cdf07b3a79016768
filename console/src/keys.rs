//! The keys, and what they do.

/// Something that a user does; backends are given by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kill a backend, or start it if it is dead.
    KillOrStart(usize),
    /// Stall a backend, or continue it if it is stalled.
    StallOrContinue(usize),
    /// Switch to the next policy.
    NextPolicy,
    /// End.
    Quit,
}

/// A key press, as far as it can have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The escape key.
    Escape,
    /// A function key, from 1.
    Function(u8),
    /// A key with a character.
    Character {
        /// The character that the keyboard makes of the keys.
        character: char,
        /// Whether the shift key is reported separately, as some terminals do.
        shift: bool,
        /// Whether the control key is down.
        control: bool,
    },
}

/// The characters of shift+1 to shift+4 on keyboards of the United States, Britain and Germany; with other
/// layouts, the letters and F1 to F4 work.
const SHIFTED: [&str; 4] = ["!", "@\"", "#£§", "$"];

const LETTERS: [char; 4] = ['a', 's', 'd', 'f'];

/// The help line.
pub const HELP: &str = "1-4 kill or start  asdf (shift+1-4, F1-F4) stall or continue  p policy  q quit";

/// What a key does; `None` if it has no meaning.
pub fn action(key: Key) -> Option<Action> {
    match key {
        Key::Escape => Some(Action::Quit),
        Key::Function(number @ 1..=4) => Some(Action::StallOrContinue(number.into())),
        Key::Function(_) => None,
        Key::Character { character: 'c' | 'd', control: true, .. } => Some(Action::Quit),
        Key::Character { character, shift, .. } => action_of(character, shift),
    }
}

fn action_of(character: char, shift: bool) -> Option<Action> {
    match character {
        'q' | 'Q' => Some(Action::Quit),
        'p' | 'P' => Some(Action::NextPolicy),
        digit @ '1'..='4' => {
            let number = digit as usize - '0' as usize;
            Some(if shift { Action::StallOrContinue(number) } else { Action::KillOrStart(number) })
        }
        character => {
            let shifted = SHIFTED.iter().position(|of_key| of_key.contains(character));
            let letter = LETTERS.iter().position(|letter| *letter == character.to_ascii_lowercase());
            shifted.or(letter).map(|index| Action::StallOrContinue(index + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        let key = |character, shift, control| Key::Character { character, shift, control };
        let plain = |character| key(character, false, false);
        for (key, expected) in [
            (plain('1'), Some(Action::KillOrStart(1))),
            (plain('4'), Some(Action::KillOrStart(4))),
            (plain('5'), None),
            (plain('!'), Some(Action::StallOrContinue(1))),
            (plain('"'), Some(Action::StallOrContinue(2))),
            (plain('f'), Some(Action::StallOrContinue(4))),
            (Key::Function(3), Some(Action::StallOrContinue(3))),
            (key('2', true, false), Some(Action::StallOrContinue(2))),
            (Key::Function(5), None),
            (Key::Escape, Some(Action::Quit)),
            (plain('q'), Some(Action::Quit)),
            (plain('p'), Some(Action::NextPolicy)),
            (key('c', false, true), Some(Action::Quit)),
            (key('d', false, true), Some(Action::Quit)),
            (plain('c'), None),
        ] {
            assert_eq!(action(key), expected, "{key:?}");
        }
    }
}
