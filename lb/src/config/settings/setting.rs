//! The types of the table, and short forms for its rows.

use crate::config::form::Form;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Section and key in the file, such as `health.ping_interval`; empty for a setting that is only a flag.
    pub(crate) path: &'static str,
    /// The flag, without the hyphens; empty for a setting that is only in the file.
    pub(crate) flag: &'static str,
    /// How the setting is written.
    pub(crate) form: Form,
    /// The default, as it is written on the command line; empty if there is none, or if it depends on the
    /// machine. A setting that is `off` by default can be switched off by that word.
    pub(crate) default: &'static str,
    /// The meaning.
    pub(crate) help: &'static str,
    /// What to write instead of a wrong value, if the form alone does not explain it well.
    pub(crate) fix: &'static str,
    /// The environment variable that also sets the value; empty if there is none. A setting with a variable
    /// is a secret: it is never shown, and has no flag, because every user of the machine can read the flags
    /// of a process.
    pub(crate) variable: &'static str,
}

impl Setting {
    pub(super) const fn new(path: &'static str, flag: &'static str, form: Form, help: &'static str) -> Self {
        Self { path, flag, form, default: "", help, fix: "", variable: "" }
    }

    pub(super) const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    pub(super) const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    pub(super) const fn secret(self, variable: &'static str) -> Self {
        Self { variable, ..self }
    }

    /// Whether the value must never be shown.
    pub(crate) fn is_secret(&self) -> bool {
        !self.variable.is_empty()
    }

    /// The name of the setting within this program.
    pub(crate) fn id(&self) -> &'static str {
        if self.path.is_empty() { self.flag } else { self.path }
    }

    /// The key within the section; empty if the setting cannot be in the file.
    pub(crate) fn key(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, key)| key)
    }

    /// Whether the word `off` switches the setting off.
    pub(crate) fn has_off(&self) -> bool {
        self.default == "off"
    }
}

/// Settings that belong together in the file, and under one heading of the help.
#[derive(Debug)]
pub(crate) struct Section {
    /// The name in the file; empty for the settings above all sections.
    pub(crate) name: &'static str,
    /// Whether the section may occur several times, as `[[name]]`.
    pub(crate) repeated: bool,
    /// The heading of the flags in the help; empty for those that come first.
    pub(crate) heading: &'static str,
    /// What the section is about.
    pub(crate) help: &'static str,
    pub(crate) settings: &'static [Setting],
}

impl Section {
    /// The setting with this key.
    pub(crate) fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| !setting.path.is_empty() && setting.key() == key)
    }

    /// The header of the section in the file.
    pub(crate) fn title(&self) -> String {
        match self.repeated {
            true => format!("[[{}]]", self.name),
            false => format!("[{}]", self.name),
        }
    }
}

/// The section of a backend; see [`balance::member::Member`].
pub(crate) const BACKEND: &str = "backend";

pub(super) const TIME: Form = Form::Time { zero: false };
pub(super) const TIME_OR_ZERO: Form = Form::Time { zero: true };

pub(super) const fn count(least: u32, most: u32) -> Form {
    Form::Count { least: least as u64, most: most as u64 }
}

pub(super) const fn percent(least: u32, most: u32) -> Form {
    Form::Percent { least, most }
}

/// The section of an address for clients.
pub(crate) const LISTENER: &str = "listener";
