//! The answer to the question of a lesson.

use std::slice;

use serde::{Deserialize, Serialize};

/// The number of a choice, or one number for each part of the question. The first choice is 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write the number of a choice, or a list with one number for each part")]
pub enum Answer {
    /// The question has no parts.
    One(usize),
    /// A number for each part, in their order.
    Parts(Vec<usize>),
}

impl Answer {
    /// The answer to a question with so many parts, which is 0 for a question without parts.
    pub fn of(numbers: Vec<usize>, parts: usize) -> Self {
        match (parts, &numbers[..]) {
            (0, [number]) => Self::One(*number),
            _ => Self::Parts(numbers),
        }
    }

    /// The numbers of the choices, one for each part.
    pub fn numbers(&self) -> &[usize] {
        match self {
            Self::One(number) => slice::from_ref(number),
            Self::Parts(numbers) => numbers,
        }
    }

    /// How many parts this answer has in common with the right one.
    pub fn right(&self, right: &Self) -> usize {
        self.numbers().iter().zip(right.numbers()).filter(|(one, other)| one == other).count()
    }

    /// What is wrong with an answer to a question with this many choices and parts, and what to write
    /// instead.
    pub(crate) fn mistake(&self, choices: usize, parts: usize) -> Option<String> {
        let fits = match self {
            Self::One(_) => parts == 0,
            Self::Parts(numbers) => parts > 0 && numbers.len() == parts,
        };
        if !fits {
            let one = "answer: write the number of one choice; a list of numbers needs `parts`".to_owned();
            return Some(match parts {
                0 => one,
                _ => format!("answer: write a list of {parts} numbers, one for each of `parts`"),
            });
        }
        let wrong = self.numbers().iter().find(|number| !(1..=choices).contains(*number))?;
        Some(format!("answer = {wrong}: write the number of a choice, from 1 to {choices}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_question_or_the_error_says_what_to_write() {
        let parts = |numbers: &[usize]| Answer::Parts(numbers.to_vec());
        for (answer, questions, expected) in [
            (Answer::One(2), 0, ""),
            (Answer::One(4), 0, "from 1 to 3"),
            (Answer::One(2), 2, "a list of 2 numbers"),
            (parts(&[1, 3]), 2, ""),
            (parts(&[1, 0]), 2, "answer = 0"),
            (parts(&[1]), 2, "a list of 2 numbers"),
            (parts(&[1]), 0, "needs `parts`"),
        ] {
            let mistake = answer.mistake(3, questions).unwrap_or_default();
            assert!(mistake.contains(expected), "{answer:?}: {mistake}");
            assert_eq!(mistake.is_empty(), expected.is_empty(), "{answer:?}: {mistake}");
        }
        assert_eq!(parts(&[1, 2, 3]).right(&parts(&[1, 3, 3])), 2);
        assert_eq!((Answer::of(vec![2], 0), Answer::of(vec![2], 1)), (Answer::One(2), parts(&[2])));
    }
}
