//! How are requests shared between the levels of backends? The first level gets all of them while enough of
//! its backends are up.
//!
//! A level that has lost a few backends still takes all requests: the rule assumes that a level has 40
//! percent more capacity than it needs. Below that, the next level takes the rest. If all levels together
//! cannot take all requests, each level takes more, in proportion to its part. The rule and the number
//! come from Envoy (overprovisioning factor 1.4): a level gives requests to the next when fewer than 71.4
//! percent of its backends are available.

/// The assumed capacity of a level, as a multiple of its need.
const OVERPROVISIONING: f64 = 1.4;

/// The share of the requests for each level, from 0 to 1. The input has two numbers for each level: the
/// backends that are available, and all backends. The shares add up to 1, unless no backend is available.
///
/// ```
/// use balance::levels::shares;
///
/// // Three of four backends are enough: 75 percent is more than 71.4 percent.
/// assert_eq!(shares(&[(3, 4), (4, 4)]), [1.0, 0.0]);
/// // Half of them can take 1.4 times a half of the requests.
/// let [first, second] = shares(&[(2, 4), (4, 4)])[..] else { panic!("a share for each level") };
/// assert!((first - 0.7).abs() < 1e-9 && (second - 0.3).abs() < 1e-9);
/// ```
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
