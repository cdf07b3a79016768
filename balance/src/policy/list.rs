//! Functions for lists of backends that are sorted by number, and for hashes of numbers.

use std::sync::Arc;

use crate::backend::Backend;

/// The index of the candidate with this number.
pub(super) fn position(candidates: &[Arc<Backend>], number: usize) -> Option<usize> {
    index_of(candidates, number, |backend| backend.number)
}

/// The index of the backend with this number in a list that is sorted by number.
pub(crate) fn index_of<T>(list: &[T], number: usize, number_of: impl Fn(&T) -> usize) -> Option<usize> {
    // In a list without gaps, the index follows from the number.
    match list.get(number.wrapping_sub(1)) {
        Some(backend) if number_of(backend) == number => Some(number - 1),
        _ => list.binary_search_by_key(&number, number_of).ok(),
    }
}

/// Index of the candidate with the lowest score; of the first of them, if several have it.
pub(super) fn lowest(candidates: &[Arc<Backend>], score: impl Fn(&Backend) -> f64) -> Option<usize> {
    let scored = candidates.iter().map(|backend| score(backend)).enumerate();
    scored.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

/// A hash of two numbers, as good as random: the finalizer of splitmix64 (Steele, Lea and Flood 2014) over
/// both.
pub(crate) fn mix(one: u64, other: u64) -> u64 {
    let mut z = one ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
