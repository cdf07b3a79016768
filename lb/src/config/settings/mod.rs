//! Which settings are there? One table: how each is called in the file and on the command line, how it is written, what
//! it is when nobody says anything, and what it means.
//!
//! The flags, the file's keys, the defaults, the JSON schema and what an error proposes are all read off this table.

pub(crate) use super::form::Form;

mod pool;
mod request;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its section and key in the file, such as `health.ping_interval`; empty for what only a flag can say.
    pub(crate) path: &'static str,
    /// Its flag, without the hyphens before it; empty for what only the file can say.
    pub(crate) flag: &'static str,
    /// How it is written.
    pub(crate) form: Form,
    /// What it is without, as it is written on the command line; empty if it is nothing then, or something that the
    /// machine knows. What is `off` by default can be switched off by that word.
    pub(crate) default: &'static str,
    /// What it means.
    pub(crate) help: &'static str,
    /// What to write instead of what is wrong, where the form alone does not say it well.
    pub(crate) fix: &'static str,
    /// The environment variable that says it as well; empty if there is none. What has one is a secret: it is shown
    /// nowhere, and has no flag, because flags are there for all to see who list processes.
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

    /// Whether nobody may see it.
    pub(crate) fn is_secret(&self) -> bool {
        !self.variable.is_empty()
    }

    /// What it is called within this program.
    pub(crate) fn id(&self) -> &'static str {
        if self.path.is_empty() { self.flag } else { self.path }
    }

    /// Its key within its section; empty if it cannot stand in the file.
    pub(crate) fn key(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, key)| key)
    }

    /// Whether it can be switched off by that word.
    pub(crate) fn has_off(&self) -> bool {
        self.default == "off"
    }
}

/// Settings that stand together in the file, and on the command line under one heading.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name in the file; empty for what stands above all sections.
    pub(crate) name: &'static str,
    /// It may come several times, as `[[name]]`.
    pub(crate) repeated: bool,
    /// Where its flags stand in the help; empty for those that come first.
    pub(crate) heading: &'static str,
    /// What it is about.
    pub(crate) help: &'static str,
    pub(crate) settings: &'static [Setting],
}

impl Section {
    /// The setting with this key.
    pub(crate) fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| !setting.path.is_empty() && setting.key() == key)
    }

    /// As it is written in the file.
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

/// What a backend may be given; see [`balance::member::Member`].
pub(crate) const BACKEND: &str = "backend";

const TIME: Form = Form::Time { zero: false };
const TIME_OR_ZERO: Form = Form::Time { zero: true };

const fn count(least: u32, most: u32) -> Form {
    Form::Count { least: least as u64, most: most as u64 }
}

const fn percent(least: u32, most: u32) -> Form {
    Form::Percent { least, most }
}

/// All of them, in the order of the example and of the help.
pub(crate) const SECTIONS: &[Section] = &[
    request::TOP,
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
