//! One table of all settings: the name in the file and on the command line, the form, the default, and the
//! meaning of each.
//!
//! Flags, the keys of the file, the defaults, the JSON schema and the suggestions in errors are derived from
//! this table.

pub(crate) use super::form::Form;

mod pool;
mod request;

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
    const fn new(path: &'static str, flag: &'static str, form: Form, help: &'static str) -> Self {
        Self { path, flag, form, default: "", help, fix: "", variable: "" }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    const fn secret(self, variable: &'static str) -> Self {
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

/// The section with this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The section of a backend; see [`balance::member::Member`].
pub(crate) const BACKEND: &str = "backend";

const TIME: Form = Form::Time { zero: false };
const TIME_OR_ZERO: Form = Form::Time { zero: true };

const fn count(least: u32, most: u32) -> Form {
    Form::Count { least: least as u64, most: most as u64 }
}

const fn percent(least: u32, most: u32) -> Form {
    Form::Percent { least, most }
}

/// The section of an address for clients.
pub(crate) const LISTENER: &str = "listener";

/// All sections, in the order of the example and of the help.
pub(crate) const SECTIONS: &[Section] = &[
    request::TOP,
    request::LISTENER,
    pool::BALANCE,
    pool::BACKEND,
    pool::HEALTH,
    pool::OUTLIER,
    request::RETRIES,
    request::HEDGING,
    pool::STICKY,
    request::TIMEOUTS,
    request::QUEUES,
    request::LOG,
];
