//! Everything that one drawing shows.

use super::look::Look;
use super::trail::Trail;
use crate::model::View;

/// What a drawing is made of.
pub(super) struct Scene<'a> {
    pub(super) view: &'a View,
    pub(super) trail: &'a Trail,
    pub(super) look: &'a Look,
}
