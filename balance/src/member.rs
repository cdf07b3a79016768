//! The settings of a backend, in contrast to observations of it: address, weight, priority, limit and mode.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, IntoStaticStr, VariantArray};

use super::address::Address;
use crate::names::parse;

/// The settings of one backend, as the operator wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The address. Two members of a pool never have the same address.
    pub address: Address,
    /// The share in relation to the other backends, for policies that use weights: 0 to
    /// [`Member::MAX_WEIGHT`]. A backend with the weight 0 gets no new requests under any policy.
    pub weight: u32,
    /// The level of the backend: 0 to [`Member::MAX_PRIORITY`], lower levels first.
    pub priority: u8,
    /// The backend gets requests only while no other backend of any level can take them.
    pub backup: bool,
    /// The limit of requests in flight; `None` for the limit of the pool, if there is one.
    pub limit: Option<u32>,
    /// The administrative state.
    pub mode: Mode,
    /// The name stands for one backend for each of its addresses. The balancer looks the name up again and
    /// again.
    pub every_address: bool,
}

impl Member {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 1000;
    /// The highest number of a priority level.
    pub const MAX_PRIORITY: u8 = 9;

    /// A backend with default settings at this address.
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

/// The administrative state of a backend, independent of its health. The names are those of HAProxy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Display, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Mode {
    /// The backend gets its share.
    #[default]
    Ready,
    /// The backend finishes the requests that it has, and gets only requests whose cookie names it.
    Drain,
    /// The backend finishes the requests that it has, and gets no new ones. It also gets no pings.
    Maintenance,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, "not known")
    }
}

impl Mode {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
