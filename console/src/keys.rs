//! The keys, and what they do.

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose the next backend, or the one before.
    Select {
        /// The next one.
        next: bool,
    },
    /// Choose the backend with this number.
    Choose(usize),
    /// Kill the chosen backend, or start it if it is dead.
    KillOrStart,
    /// Stop the chosen backend, or continue it if it is stopped.
    StopOrContinue,
    /// Make the chosen backend slow, or fast again.
    Slow,
    /// Let the chosen backend answer with errors, or no longer.
    Err,
    /// Drain the chosen backend, or make it ready again.
    Drain,
    /// Remove everything that is wrong with the chosen backend.
    Heal,
    /// Heal all backends, and return to the first policy, weights and load.
    Reset,
    /// Switch to another policy.
    Policy {
        /// The next one; otherwise the one before.
        next: bool,
    },
    /// The ghost of the next policy; after the last one, no ghost.
    Ghost,
    /// Make the policy of the ghost the real one.
    MakeReal,
    /// More or less load.
    Load {
        /// More.
        more: bool,
    },
    /// Open loop, or closed loop.
    OpenOrClosed,
    /// Write the report into a file.
    Report,
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
    /// The enter key.
    Enter,
    /// The arrow up.
    Up,
    /// The arrow down, or the tabulator.
    Down,
    /// A key with a character.
    Character {
        /// The character that the keyboard makes of the keys.
        character: char,
        /// Whether the control key is down.
        control: bool,
    },
}

/// The help line, from the longest to the shortest; a screen shows the longest that fits.
pub const HELP: [&str; 5] = [
    "1-4 choose: k kill s stop l slow e errors d drain h heal  0 reset  p P policy  g ghost  + - o load  r report  ? legend  q quit",
    "1-4 choose: k kill s stop l slow e err d drain h heal  0 reset  p policy  g ghost  r report  ? keys",
    "1-4 choose: k kill s stop l slow e err d drain h heal  0 reset  p g  ? all keys",
    "1-4 choose: k s l e d h  0 reset  ? keys",
    "? keys  q quit",
];

/// What a key does; `None` if it has no meaning.
pub fn action(key: Key) -> Option<Action> {
    match key {
        Key::Escape => Some(Action::Quit),
        Key::Enter => Some(Action::MakeReal),
        Key::Up => Some(Action::Select { next: false }),
        Key::Down => Some(Action::Select { next: true }),
        Key::Character { character: 'c' | 'd', control: true } => Some(Action::Quit),
        Key::Character { control: true, .. } => None,
        Key::Character { character, .. } => action_of(character),
    }
}

fn action_of(character: char) -> Option<Action> {
    let action = match character {
        'q' | 'Q' => Action::Quit,
        digit @ '1'..='4' => Action::Choose(digit as usize - '0' as usize),
        'k' => Action::KillOrStart,
        's' => Action::StopOrContinue,
        'l' => Action::Slow,
        'e' => Action::Err,
        'd' => Action::Drain,
        'h' => Action::Heal,
        '0' => Action::Reset,
        'p' => Action::Policy { next: true },
        'P' => Action::Policy { next: false },
        'g' => Action::Ghost,
        // The same key without shift on many keyboards.
        '+' | '=' => Action::Load { more: true },
        '-' | '_' => Action::Load { more: false },
        'o' => Action::OpenOrClosed,
        'r' => Action::Report,
        '?' => Action::Legend,
        ' ' => Action::Pause,
        _ => return None,
    };
    Some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        let key = |character, control| Key::Character { character, control };
        let plain = |character| key(character, false);
        for (key, expected) in [
            // A digit chooses and does no harm.
            (plain('1'), Some(Action::Choose(1))),
            (plain('4'), Some(Action::Choose(4))),
            (plain('5'), None),
            (plain('!'), None),
            (Key::Up, Some(Action::Select { next: false })),
            (Key::Down, Some(Action::Select { next: true })),
            (plain('k'), Some(Action::KillOrStart)),
            (plain('s'), Some(Action::StopOrContinue)),
            (plain('l'), Some(Action::Slow)),
            (plain('e'), Some(Action::Err)),
            (plain('d'), Some(Action::Drain)),
            (plain('h'), Some(Action::Heal)),
            (plain('0'), Some(Action::Reset)),
            (plain('p'), Some(Action::Policy { next: true })),
            (plain('P'), Some(Action::Policy { next: false })),
            (plain('g'), Some(Action::Ghost)),
            (Key::Enter, Some(Action::MakeReal)),
            (plain('+'), Some(Action::Load { more: true })),
            (plain('='), Some(Action::Load { more: true })),
            (plain('-'), Some(Action::Load { more: false })),
            (plain('o'), Some(Action::OpenOrClosed)),
            (plain('r'), Some(Action::Report)),
            (plain('?'), Some(Action::Legend)),
            (plain(' '), Some(Action::Pause)),
            (Key::Escape, Some(Action::Quit)),
            (plain('q'), Some(Action::Quit)),
            (key('c', true), Some(Action::Quit)),
            (key('d', true), Some(Action::Quit)),
            (key('k', true), None),
            (plain('c'), None),
            (plain('K'), None),
        ] {
            assert_eq!(action(key), expected, "{key:?}");
        }
    }

    #[test]
    fn a_help_line_fits_each_width() {
        let lengths = HELP.map(|line| line.chars().count());
        assert!(
            lengths[0] <= 129
                && lengths[1] <= 99
                && lengths[2] <= 79
                && lengths[3] <= 40
                && lengths.is_sorted_by(|a, b| a > b),
            "{lengths:?}"
        );
    }
}
