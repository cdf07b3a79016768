//! Settings as they were given, with their origin: the raw layer, in which everything is optional.
//!
//! The defaults, the file and the flags each make a layer. A later layer overrides an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::form::{Form, Written};
use super::settings::{Section, Setting};

/// The origin of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The setting was not given.
    Default,
    /// The given value is wrong. The default replaces it, so that reading can continue.
    InsteadOfWrong,
    /// These bytes of the file.
    File(Range<usize>),
    /// This flag, without its hyphens.
    Flag(&'static str),
    /// This environment variable.
    Variable(&'static str),
    /// A request at run time.
    Json,
}

/// A setting or its parsed value, with its origin.
#[derive(Clone)]
pub(crate) struct Given<T> {
    pub(crate) setting: &'static Setting,
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<T> Given<T> {
    /// The name of the setting at its origin: `--ping-timeout` or `ping_timeout`.
    pub(crate) fn name(&self) -> String {
        match self.origin {
            Origin::Flag(flag) => format!("--{flag}"),
            Origin::Variable(name) => name.to_owned(),
            _ if self.setting.path.is_empty() => format!("--{}", self.setting.flag),
            _ => self.setting.key().to_owned(),
        }
    }

    /// The place in the file, if it has one.
    pub(crate) fn place(&self) -> Option<Range<usize>> {
        match &self.origin {
            Origin::File(range) => Some(range.clone()),
            _ => None,
        }
    }

    /// Whether the setting was given.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self.origin, Origin::File(_) | Origin::Flag(_) | Origin::Variable(_) | Origin::Json)
    }
}

impl<T: fmt::Debug> fmt::Debug for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: &dyn fmt::Debug = if self.setting.is_secret() { &HIDDEN } else { &self.value };
        let mut given = f.debug_struct("Given");
        given
            .field("setting", &self.setting.id())
            .field("value", value)
            .field("origin", &self.origin)
            .finish()
    }
}

/// The text that is shown in place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Settings by their names within this program; see [`Setting::id`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer(BTreeMap<&'static str, Given<Written>>);

impl Layer {
    /// The values of settings that are not given.
    pub(crate) fn defaults<'a>(sections: impl IntoIterator<Item = &'a Section>) -> Self {
        let mut layer = Self::default();
        for setting in sections.into_iter().flat_map(|section| section.settings) {
            if !setting.default.is_empty() {
                layer.add(setting, Written::Plain(setting.default.to_owned()), Origin::Default);
            }
        }
        layer
    }

    /// Adds a given setting.
    pub(crate) fn add(&mut self, setting: &'static Setting, value: Written, origin: Origin) {
        self.0.insert(setting.id(), Given { setting, value, origin });
    }

    /// Adds another layer, which overrides this one.
    #[must_use]
    pub(crate) fn under(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }

    /// The given value of a setting, or its default.
    pub(crate) fn get(&self, id: &str) -> Option<&Given<Written>> {
        self.0.get(id)
    }

    /// All settings, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Given<Written>> {
        self.0.values()
    }

    /// The given value of a setting.
    pub(crate) fn written(&self, id: &str) -> Option<&Given<Written>> {
        self.get(id).filter(|given| given.is_written())
    }

    /// The settings that differ, or that only one of the layers has.
    pub(crate) fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let meaning = |layer: &Self, id| {
            layer
                .get(id)
                .filter(|given| !given.is_off())
                .and_then(|given| given.form().read(&given.value).ok())
        };
        let ids: BTreeSet<_> = self.0.keys().chain(other.0.keys()).copied().collect();
        ids.into_iter().filter(|id| meaning(self, id) != meaning(other, id)).collect()
    }

    /// Removes a setting.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Given<Written>> {
        self.0.remove(id)
    }
}

impl Given<Written> {
    /// Whether the value is the word that switches the setting off.
    pub(crate) fn is_off(&self) -> bool {
        let word = matches!(&self.value, Written::Plain(text) | Written::Text(text) if text == "off");
        word && self.setting.has_off()
    }

    /// Whether the value is the same as the default.
    pub(crate) fn is_as_by_default(&self) -> bool {
        let default = Written::Plain(self.setting.default.to_owned());
        match self.form().read(&self.value) {
            Ok(value) => self.form().read(&default) == Ok(value),
            Err(_) => self.is_off(),
        }
    }

    /// The place of a list entry in the file, if it has one.
    pub(crate) fn place_of(&self, index: usize) -> Option<Range<usize>> {
        match (&self.origin, &self.value) {
            (Origin::File(_), Written::List(entries)) => entries.get(index).map(|(_, place)| place.clone()),
            _ => None,
        }
    }

    /// The form of the setting.
    pub(crate) fn form(&self) -> Form {
        self.setting.form
    }
}
