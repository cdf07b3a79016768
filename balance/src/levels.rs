//! Which level of backends takes how much? The first ones all of it, as long as enough of them are well.
//!
//! A level that has lost a few backends still carries everything: it is taken to have 40 percent to spare. Below that,
//! what it cannot carry goes to the next level, and only when no level can carry its part do all share what is left. The
//! rule and its figure are Envoy's (overprovisioning factor 1.4): a level is relieved when fewer than 71.4 percent of its
//! backends are available.

/// What one more than it needs a level is taken to have.
const OVERPROVISIONING: f64 = 1.4;

/// The share of the requests that each level takes, from 0 to 1, by how many of its backends are available, of how many.
/// The shares add up to 1, unless nobody is available at all.
pub fn shares(levels: &[(usize, usize)]) -> Vec<f64> {
    let carry = |&(available, all): &(usize, usize)| match all {
        0 => 0.0,
        _ => (OVERPROVISIONING * available as f64 / all as f64).min(1.0),
    };
    let mut left = 1.0;
    let mut shares: Vec<f64> = levels
        .iter()
        .map(|level| {
            let share = carry(level).min(left);
            left -= share;
            share
        })
        .collect();
    let carried: f64 = shares.iter().sum();
    if carried > 0.0 {
        shares.iter_mut().for_each(|share| *share /= carried);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_level_takes_what_the_first_cannot_carry() {
        type Case<'a> = (&'a [(usize, usize)], &'a [f64]);
        let table: [Case<'_>; 8] = [
            (&[(4, 4)], &[1.0]),
            (&[(1, 4)], &[1.0]),
            (&[(4, 4), (4, 4)], &[1.0, 0.0]),
            (&[(3, 4), (4, 4)], &[1.0, 0.0]),
            (&[(2, 4), (4, 4)], &[0.7, 0.3]),
            (&[(0, 4), (4, 4)], &[0.0, 1.0]),
            (&[(1, 4), (1, 4)], &[0.5, 0.5]),
            (&[(0, 4), (0, 0)], &[0.0, 0.0]),
        ];
        for (levels, expected) in table {
            let shares = shares(levels);
            let off = shares.iter().zip(expected).any(|(share, expected)| (share - expected).abs() > 1e-9);
            assert!(!off, "{levels:?}: {shares:?} instead of {expected:?}");
        }
    }
}
