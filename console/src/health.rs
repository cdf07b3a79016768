//! A backend's health, as far as a console distinguishes it.

use serde::Serialize;

/// A backend's health as the balancer reports it; worse states are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It gets requests; also the assumption before anything is known.
    #[default]
    Up,
    /// It seems to be silent, and is asked.
    Suspect,
    /// It gets no requests for some time, because it gave too many errors.
    Ejected,
    /// It gets no requests.
    Down,
}

impl Health {
    /// The state with this name; a state that the console does not know counts as the worst.
    pub fn read(state: &str) -> Self {
        match state {
            "up" => Self::Up,
            "suspect" => Self::Suspect,
            "ejected" => Self::Ejected,
            _ => Self::Down,
        }
    }

    /// The name of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
            Self::Down => "down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_by_its_name() {
        for health in [Health::Up, Health::Suspect, Health::Ejected, Health::Down] {
            assert_eq!(Health::read(health.word()), health);
        }
        assert_eq!(Health::read("something new"), Health::Down);
    }
}
