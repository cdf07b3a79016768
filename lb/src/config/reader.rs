//! From written to parsed values, setting by setting. Errors do not stop this: each is noted, the default
//! replaces the wrong value, and the next setting is read.

use std::time::Duration;

use super::form::{Form, Value, Written, Wrong};
use super::layer::{Given, HIDDEN, Layer, Origin};
use super::problems::{Problem, ProblemList, Source};

/// Reads a complete layer.
pub(crate) struct Reader<'a> {
    pub(crate) layer: Layer,
    pub(crate) source: &'a Source,
    pub(crate) problems: &'a mut ProblemList,
}

/// A type that the value of a setting can have.
pub(crate) trait Meaning: Sized {
    /// The value, if it is of this type.
    fn of(value: Value) -> Option<Self>;
}

impl Meaning for Duration {
    fn of(value: Value) -> Option<Self> {
        if let Value::Time(time) = value { Some(time) } else { None }
    }
}

impl Meaning for u64 {
    fn of(value: Value) -> Option<Self> {
        if let Value::Number(number) = value { Some(number) } else { None }
    }
}

impl Meaning for bool {
    fn of(value: Value) -> Option<Self> {
        if let Value::Switch(on) = value { Some(on) } else { None }
    }
}

impl Meaning for String {
    fn of(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl Meaning for Vec<String> {
    fn of(value: Value) -> Option<Self> {
        if let Value::List(texts) = value { Some(texts) } else { None }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layer: Layer, source: &'a Source, problems: &'a mut ProblemList) -> Self {
        Self { layer, source, problems }
    }

    /// The value of a setting; `None` if it was not given and has no default, or if it is off. A wrong value
    /// leaves the layer, so that no other check reports it again.
    pub(crate) fn maybe<T: Meaning>(&mut self, id: &str) -> Option<T> {
        let given = self.layer.get(id)?.clone();
        if given.is_off() {
            return None;
        }
        match given.form().read(&given.value) {
            Ok(value) => Some(T::of(value).expect("the form of a setting determines the type of its value")),
            Err(wrong) => {
                self.reject(&given, wrong);
                self.maybe(id)
            }
        }
    }

    /// The value of a setting that has a default.
    pub(crate) fn get<T: Meaning>(&mut self, id: &str) -> T {
        self.maybe(id).expect("a setting that is needed has a default")
    }

    /// The same for a number whose range is small enough for the type.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, id: &str) -> T {
        self.maybe_number(id).expect("a setting that is needed has a default")
    }

    pub(crate) fn maybe_number<T: TryFrom<u64>>(&mut self, id: &str) -> Option<T> {
        let number = self.maybe::<u64>(id)?;
        Some(T::try_from(number).ok().expect("the range of a number fits its type"))
    }

    /// Parses the text of a setting further. If `read` cannot, it returns the error, or only what to write
    /// instead.
    pub(crate) fn parsed<T, E: Into<Wrong>>(
        &mut self,
        id: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.maybe::<String>(id)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let given = self.layer.get(id)?.clone();
                let Wrong { is, fix } = wrong.into();
                let fix = if given.setting.fix.is_empty() { fix } else { given.setting.fix.to_owned() };
                self.reject(&given, Wrong { is, fix });
                self.parsed(id, read)
            }
        }
    }

    /// Notes an error, and continues with the default.
    pub(crate) fn reject(&mut self, given: &Given<Written>, wrong: Wrong) {
        let Wrong { is, fix } = wrong;
        let what = match &is[..] {
            // There is a word for the kind of value, and no short way to show the value.
            is if matches!(given.value, Written::Other(_)) && given.origin == Origin::Json => {
                format!("{} is {is}", given.name())
            }
            "" => format!("{} is {}", given.name(), self.shown(given)),
            is => format!("{} is {}, {is}", given.name(), self.shown(given)),
        };
        let fix = match (given.setting.fix, given.form()) {
            ("", _) | (_, Form::Text(_)) => fix,
            (fix, _) => fix.to_owned(),
        };
        self.problems.push(Problem::new(what, fix).at(given));
        self.layer.remove(given.setting.id());
        if !given.setting.default.is_empty() {
            let default = Written::Plain(given.setting.default.to_owned());
            self.layer.add(given.setting, default, Origin::InsteadOfWrong);
        }
    }

    /// The value as it is written, shortened if it is long.
    fn shown(&self, given: &Given<Written>) -> String {
        const LONG: usize = 40;
        if given.setting.is_secret() {
            return HIDDEN.to_owned();
        }
        let number;
        let text = match (&given.origin, &given.value) {
            (Origin::File(place), _) => self.source.text.get(place.clone()).unwrap_or_default(),
            (_, Written::Plain(text) | Written::Text(text)) => text,
            (_, Written::Number(Some(given))) => {
                number = given.to_string();
                &number
            }
            (_, Written::Switch(true)) => "true",
            (_, Written::Switch(false)) => "false",
            _ => "",
        };
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(LONG) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None if line.len() < text.len() => format!("{line}…"),
            None if line.is_empty() => "''".to_owned(),
            None => line.to_owned(),
        }
    }
}

/// The entries of a list, each read separately. An error points to the place of its entry.
pub(super) fn entries<T>(
    read: &mut Reader<'_>,
    id: &str,
    kind: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let texts = read.maybe::<Vec<String>>(id).unwrap_or_default();
    let given = read.layer.get(id).cloned();
    let (mut entries, mut wrong) = (Vec::new(), 0);
    for (text, index) in texts.iter().zip(0..) {
        match parse(text) {
            Ok(entry) => entries.push(entry),
            Err(_) if wrong >= ProblemList::KEPT => read.problems.count_more(1),
            Err(fix) => {
                wrong += 1;
                let place = given.as_ref().and_then(|given| given.place_of(index));
                let shown = place.clone().and_then(|place| read.source.text.get(place));
                let shown = shown.map_or_else(|| format!("'{text}'"), str::to_owned);
                read.problems.push(Problem::new(format!("{shown} is not {kind}"), fix).at_place(place));
            }
        }
    }
    entries
}
