//! One table of all settings: the name in the file and on the command line, the form, the default, and the
//! meaning of each.
//!
//! Flags, the keys of the file, the defaults, the JSON schema and the suggestions in errors are derived from
//! this table.

mod pool;
mod request;
mod setting;

pub(crate) use setting::{BACKEND, LISTENER, Section, Setting};

/// The section with this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

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
