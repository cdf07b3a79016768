//! The keys, and what they do.

/// The backend that an action is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one that is selected.
    Selected,
    /// The one with this number, which becomes the selected one.
    Lane(usize),
}

/// Something that a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Select the next backend, or the one before.
    Select {
        /// The next one.
        next: bool,
    },
    /// Kill a backend, or start it if it is dead.
    KillOrStart(Target),
    /// Stop a backend, or continue it if it is stopped.
    StopOrContinue(Target),
    /// Make the selected backend slow, or fast again.
    Slow,
    /// Let the selected backend answer with errors, or no longer.
    Err,
    /// Drain the selected backend, or make it ready again.
    Drain,
    /// Remove everything that is wrong with the selected backend.
    Heal,
    /// The same for all backends, and the first policy.
    HealAll,
    /// Switch to another policy.
    Policy {
        /// The next one; otherwise the one before.
        next: bool,
    },
    /// More or less load.
    Load {
        /// More.
        more: bool,
    },
    /// Open loop, or closed loop.
    OpenOrClosed,
    /// Show the legend, its next page, or the table again.
    Legend,
    /// Hold the screen, or go on.
    Pause,
    /// End.
    Quit,
}

/// A key press, as far as it can have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The escape key.
    Escape,
    /// The arrow up.
    Up,
    /// The arrow down, or the tabulator.
    Down,
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
/// layouts, F1 to F4 work.
const SHIFTED: [&str; 4] = ["!", "@\"", "#£§", "$"];

/// The help line, from the longest to the shortest; a screen shows the longest that fits.
pub const HELP: [&str; 4] = [
    "1-4 kill or start  shift+1-4, F1-F4 stop or continue  up down select: k s l e d h  p P policy  + - o load  0 heal all  ? legend  q quit",
    "1-4 kill/start  up down select: k s l e d h  p P policy  + - o load  ? all keys",
    "1-4 kill  0 heal  p policy  ? keys  q",
    "? keys  q quit",
];

/// What a key does; `None` if it has no meaning.
pub fn action(key: Key) -> Option<Action> {
    match key {
        Key::Escape => Some(Action::Quit),
        Key::Up => Some(Action::Select { next: false }),
        Key::Down => Some(Action::Select { next: true }),
        Key::Function(number @ 1..=4) => Some(Action::StopOrContinue(Target::Lane(number.into()))),
        Key::Function(_) => None,
        Key::Character { character: 'c' | 'd', control: true, .. } => Some(Action::Quit),
        Key::Character { control: true, .. } => None,
        Key::Character { character, shift, .. } => action_of(character, shift),
    }
}

fn action_of(character: char, shift: bool) -> Option<Action> {
    let action = match character {
        'q' | 'Q' => Action::Quit,
        'k' => Action::KillOrStart(Target::Selected),
        's' => Action::StopOrContinue(Target::Selected),
        'l' => Action::Slow,
        'e' => Action::Err,
        'd' => Action::Drain,
        'h' => Action::Heal,
        '0' => Action::HealAll,
        'p' => Action::Policy { next: true },
        'P' => Action::Policy { next: false },
        // The same key without shift on many keyboards.
        '+' | '=' => Action::Load { more: true },
        '-' | '_' => Action::Load { more: false },
        'o' => Action::OpenOrClosed,
        '?' => Action::Legend,
        ' ' => Action::Pause,
        digit @ '1'..='4' => {
            let lane = Target::Lane(digit as usize - '0' as usize);
            if shift { Action::StopOrContinue(lane) } else { Action::KillOrStart(lane) }
        }
        character => {
            let index = SHIFTED.iter().position(|of_key| of_key.contains(character))?;
            Action::StopOrContinue(Target::Lane(index + 1))
        }
    };
    Some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        let key = |character, shift, control| Key::Character { character, shift, control };
        let plain = |character| key(character, false, false);
        let lane = Target::Lane;
        for (key, expected) in [
            (plain('1'), Some(Action::KillOrStart(lane(1)))),
            (plain('4'), Some(Action::KillOrStart(lane(4)))),
            (plain('5'), None),
            (plain('!'), Some(Action::StopOrContinue(lane(1)))),
            (plain('"'), Some(Action::StopOrContinue(lane(2)))),
            (plain('$'), Some(Action::StopOrContinue(lane(4)))),
            (Key::Function(3), Some(Action::StopOrContinue(lane(3)))),
            (key('2', true, false), Some(Action::StopOrContinue(lane(2)))),
            (Key::Function(5), None),
            (Key::Up, Some(Action::Select { next: false })),
            (Key::Down, Some(Action::Select { next: true })),
            (plain('k'), Some(Action::KillOrStart(Target::Selected))),
            (plain('s'), Some(Action::StopOrContinue(Target::Selected))),
            (plain('l'), Some(Action::Slow)),
            (plain('e'), Some(Action::Err)),
            (plain('d'), Some(Action::Drain)),
            (plain('h'), Some(Action::Heal)),
            (plain('0'), Some(Action::HealAll)),
            (plain('p'), Some(Action::Policy { next: true })),
            (key('P', true, false), Some(Action::Policy { next: false })),
            (plain('+'), Some(Action::Load { more: true })),
            (plain('='), Some(Action::Load { more: true })),
            (plain('-'), Some(Action::Load { more: false })),
            (plain('o'), Some(Action::OpenOrClosed)),
            (plain('?'), Some(Action::Legend)),
            (plain(' '), Some(Action::Pause)),
            (Key::Escape, Some(Action::Quit)),
            (plain('q'), Some(Action::Quit)),
            (key('c', false, true), Some(Action::Quit)),
            (key('d', false, true), Some(Action::Quit)),
            (key('k', false, true), None),
            (plain('c'), None),
            (plain('K'), None),
        ] {
            assert_eq!(action(key), expected, "{key:?}");
        }
    }

    #[test]
    fn a_help_line_fits_each_width() {
        let lengths = HELP.map(|line| line.chars().count());
        assert!(lengths[1] <= 79 && lengths[2] <= 39 && lengths.is_sorted_by(|a, b| a > b), "{lengths:?}");
    }
}
