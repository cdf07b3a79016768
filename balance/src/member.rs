//! What is said about a backend, as against what is seen of it: address, weight, priority, limit, and whether it is
//! wanted at all.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, IntoStaticStr, VariantArray};

use super::backend::Address;
use crate::names::parse;

/// What an operator says about one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is. Two members of a pool never have the same.
    pub address: Address,
    /// Its share compared to the others', for the policies that heed weights: 0 to [`Member::MAX_WEIGHT`]. With 0 it
    /// gets no new requests under any policy.
    pub weight: u32,
    /// The level it belongs to: 0 to [`Member::MAX_PRIORITY`], lower levels first.
    pub priority: u8,
    /// It gets requests only while no other backend of any level can take them.
    pub backup: bool,
    /// Requests it may have in flight at a time; `None` for the limit of the pool, if that has one.
    pub limit: Option<u32>,
    /// Whether it is wanted.
    pub mode: Mode,
    /// Its name stands for a backend at each of its addresses, and is looked up again and again.
    pub every_address: bool,
}

impl Member {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 1000;
    /// The last level of priority.
    pub const MAX_PRIORITY: u8 = 9;

    /// A backend of which nothing is said but where it is.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            weight: 1,
            priority: 0,
            backup: false,
            limit: None,
            mode: Mode::Ready,
            every_address: false,
        }
    }
}

/// Whether a backend is wanted, whatever its health: HAProxy's administrative states.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Display, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Mode {
    /// It gets its share.
    #[default]
    Ready,
    /// It finishes what it has, and gets only requests that belong to it by their cookie.
    Drain,
    /// It finishes what it has and gets nothing more. It is not pinged either.
    Maintenance,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, "not known")
    }
}

impl Mode {
    /// The name that people write.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
