//! A key press that concerns the lab.

use crate::keys::Action;
use crate::model::View;

/// A key press that concerns the lab, and the screen at that moment.
#[derive(Debug)]
pub struct KeyPress {
    /// What the key does.
    pub action: Action,
    /// The number of the chosen backend.
    pub backend: usize,
    /// What the screen shows.
    pub view: View,
}
