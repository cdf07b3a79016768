//! Expressions of claims, such as `errors(lc) / calls(lc)`: numbers, measures of runs, `+ - * /`, brackets.

use api::excerpt;

use crate::figures::Reports;
use crate::measure::Measure;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// A measure of the run with this name, with its arguments.
    Measure {
        /// The measure.
        measure: Measure,
        /// The name of the run.
        run: String,
        /// The arguments after the run.
        arguments: Vec<f64>,
    },
    /// Two expressions, and the sign between them.
    Both(Box<Self>, char, Box<Self>),
}

/// The longest expression, in bytes: reading and calculating take stack for each operator and bracket.
const LONGEST: usize = 1000;

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the expression has {} bytes; write at most {LONGEST}", text.len()));
        }
        let mut reader = Reader { rest: text.trim() };
        let expression = reader.sum()?;
        if reader.rest.is_empty() {
            return Ok(expression);
        }
        let (rest, text) = (excerpt(reader.rest), excerpt(text));
        Err(format!("`{rest}` is not expected in `{text}`; write an operator (+ - * /) before it"))
    }

    /// The names of the runs that it measures.
    pub fn runs(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Measure { run, .. } => vec![run],
            Self::Both(left, _, right) => [left.runs(), right.runs()].concat(),
        }
    }

    /// Its value. Not a number if a run is missing, or for a division of 0 by 0.
    pub fn value(&self, reports: &Reports<'_>) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Measure { measure, run, arguments } => {
                reports.get(run.as_str()).map_or(f64::NAN, |report| measure.of(&**report, arguments))
            }
            Self::Both(left, sign, right) => {
                let (left, right) = (left.value(reports), right.value(reports));
                match sign {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
        }
    }
}

/// Reads an expression from left to right.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, signs: &[char]) -> Option<char> {
        let sign = self.rest.chars().next().filter(|sign| signs.contains(sign))?;
        self.rest = self.rest[sign.len_utf8()..].trim_start();
        Some(sign)
    }

    /// The text as long as its characters are like this.
    fn word(&mut self, fits: fn(char) -> bool) -> String {
        let end = self.rest.find(|character| !fits(character)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word.to_owned()
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            left = Expression::Both(Box::new(left), sign, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.factor()?;
        while let Some(sign) = self.take(&['*', '/']) {
            left = Expression::Both(Box::new(left), sign, Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, String> {
        if self.take(&['(']).is_some() {
            let inner = self.sum()?;
            return self.take(&[')']).map(|_| inner).ok_or_else(|| "a `)` is missing".to_owned());
        }
        let is_word = self.rest.starts_with(|first: char| first.is_ascii_alphabetic());
        if is_word { self.measure() } else { self.number().map(Expression::Number) }
    }

    fn number(&mut self) -> Result<f64, String> {
        let word = self.word(|character| character.is_ascii_digit() || matches!(character, '.' | '_'));
        let number = word.replace('_', "").parse::<f64>();
        number.map_err(|_| {
            let found =
                if self.rest.is_empty() { "the end".to_owned() } else { format!("`{}`", excerpt(self.rest)) };
            format!("{found} is no number; write a number such as 0.25, or a measure such as errors(lc)")
        })
    }

    fn measure(&mut self) -> Result<Expression, String> {
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let name = self.word(|character| character.is_ascii_alphanumeric() || character == '_');
        let Some((measure, expected)) = Measure::read(&name) else {
            return Err(format!(
                "there is no measure `{}`; write one of {}",
                excerpt(&name),
                Measure::names()
            ));
        };
        let wrong = || {
            let arguments = match (measure, expected) {
                (Measure::Pair, _) => ", backend, backend",
                (Measure::AnswerShare, _) => ", backend, from, to",
                (_, 0) => "",
                (_, 1) => ", backend or number",
                _ => ", from, to",
            };
            format!("`{name}` is written as {name}(run{arguments})")
        };
        self.take(&['(']).ok_or_else(wrong)?;
        let run = self.word(is_part);
        let mut arguments = Vec::new();
        while self.take(&[',']).is_some() {
            arguments.push(self.number()?);
        }
        if run.is_empty() || arguments.len() != expected || self.take(&[')']).is_none() {
            return Err(wrong());
        }
        Ok(Expression::Measure { measure, run, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_calculated_as_in_school() {
        let none = Reports::new();
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("8 / 2 / 2", 2.0),
            ("7 - 2 - 1", 4.0),
            ("1_000", 1000.0),
        ] {
            assert_eq!(Expression::read(text).unwrap().value(&none), expected, "{text}");
        }
        assert!(Expression::read("errors(missing)").unwrap().value(&none).is_nan());
    }

    #[test]
    fn a_wrong_expression_gets_an_error_that_says_what_to_write() {
        for (text, expected) in [
            ("errors(lc", "errors(run)"),
            ("share(lc)", "share(run, backend or number)"),
            ("goodput(a, 1)", "goodput(run, from, to)"),
            ("pair(a, 1)", "pair(run, backend, backend)"),
            ("answer_share(a, 1)", "answer_share(run, backend, from, to)"),
            ("erors(lc)", "there is no measure `erors`; write one of calls"),
            ("1 +", "the end is no number"),
            ("(1 + 2", "a `)` is missing"),
            ("1 2", "`2` is not expected"),
            ("", "the end is no number"),
        ] {
            let error = Expression::read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn an_expression_has_a_bound() {
        for text in
            [format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)), format!("1{}", "+1".repeat(100_000))]
        {
            assert!(Expression::read(&text).unwrap_err().contains("write at most 1000"));
        }
        assert!(Expression::read(&format!("{}1{}", "(".repeat(499), ")".repeat(499))).is_ok());
    }

    #[test]
    fn the_runs_of_an_expression_are_known() {
        let expression = Expression::read("mean(rr) / (mean(lc) + share(b-2, 4))").unwrap();
        assert_eq!(expression.runs(), ["rr", "lc", "b-2"]);
    }
}
