//! What a user wants from a lab.

use crate::keys::Action;
use crate::model::View;

/// Something that a user wants from the lab, and the screen at that moment.
#[derive(Debug)]
pub struct Wish {
    /// What the user wants.
    pub action: Action,
    /// The number of the chosen backend.
    pub lane: usize,
    /// What the screen shows.
    pub view: View,
}
