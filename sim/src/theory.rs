//! What queueing theory says: the formulas against which the results of the simulator are checked.
//!
//! Times are in mean service times, rates are arrivals in a mean service time, and `load` is the part of the
//! capacity that is used: above 0 and below 1.
//!
//! Sources: Kleinrock, "Queueing Systems", volume 1 (1975), sections 3.2, 3.4 to 3.6 and 5.6; Erlang,
//! "Solution of some problems in the theory of probabilities of significance in automatic telephone
//! exchanges" (1917); Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001), and
//! Vvedenskaya, Dobrushin and Karpelevich (1996) for the supermarket model.

/// M/M/1: the mean time in the system, `1 / (1 - load)`.
pub fn mm1_mean(load: f64) -> f64 {
    1.0 / (1.0 - load)
}

/// M/M/1, first come first served: this quantile of the time in the system. The time is exponential.
pub fn mm1_quantile(load: f64, quantile: f64) -> f64 {
    -libm::log(1.0 - quantile) * mm1_mean(load)
}

/// Erlang B: the part of the arrivals that a system with `servers` and without a queue refuses, when
/// `offered` is the rate of the arrivals.
///
/// By the recursion `B(0) = 1`, `B(c) = a B(c-1) / (c + a B(c-1))`.
pub fn erlang_b(servers: u32, offered: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, c| offered * blocked / (f64::from(c) + offered * blocked))
}

/// Erlang C: the part of the arrivals that has to wait in M/M/c.
///
/// `C = B / (1 - load (1 - B))`, with B from Erlang B.
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    let blocked = erlang_b(servers, f64::from(servers) * load);
    blocked / (1.0 - load * (1.0 - blocked))
}

/// M/M/c: the mean time in the system, `1 + C / (c (1 - load))`.
pub fn mmc_mean(servers: u32, load: f64) -> f64 {
    1.0 + erlang_c(servers, load) / (f64::from(servers) * (1.0 - load))
}

/// M/D/1: the mean time in the system, `1 + load / (2 (1 - load))`, by the formula of Pollaczek and Khinchine
/// without a variance.
pub fn md1_mean(load: f64) -> f64 {
    1.0 + load / (2.0 * (1.0 - load))
}

/// The supermarket model: the mean time in the system when each arrival joins the shortest of `choices`
/// queues drawn at random, with a great number of servers. `choices` is at least 1.
///
/// The part of the servers with at least `i` requests is `load^((d^i - 1) / (d - 1))`, and the mean time is
/// the sum of `load^((d^i - d) / (d - 1))` over `i >= 1`.
pub fn supermarket_mean(choices: u32, load: f64) -> f64 {
    if choices < 2 {
        return mm1_mean(load);
    }
    // The exponents are 0, d, d + d^2, ...
    let mut exponent = 0.0;
    let mut power = f64::from(choices);
    let mut sum = 0.0;
    for _ in 0..200 {
        let part = libm::pow(load, exponent);
        sum += part;
        if part < 1e-18 {
            break;
        }
        exponent += power;
        power *= f64::from(choices);
    }
    sum
}

/// Balls into bins: the probability that a bin gets no ball, when each of `balls` goes to one of `bins` at
/// random.
pub fn empty_bin(balls: u32, bins: u32) -> f64 {
    libm::pow(1.0 - 1.0 / f64::from(bins), f64::from(balls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 5e-4, "{found} instead of {expected}");
    }

    #[test]
    fn values_agree_with_published_ones() {
        near(mm1_mean(0.8), 5.0);
        near(mm1_quantile(0.8, 0.99), 23.026);
        // Brooker, "Surprising economics of load-balanced systems" (2020): 13 % and 3.6 % wait at half load.
        near((erlang_c(5, 0.5) * 1000.0).round(), 130.0);
        near((erlang_c(10, 0.5) * 1000.0).round(), 36.0);
        // By hand: B(4, 3.2) = (3.2^4 / 24) / (1 + 3.2 + 5.12 + 5.461333 + 4.369067) = 4.369067 / 19.1504.
        near(erlang_b(4, 3.2), 0.228_145);
        near(erlang_c(4, 0.8), 0.596_4);
        near(mmc_mean(4, 0.8), 1.7455);
        near(mmc_mean(1, 0.9), mm1_mean(0.9));
        near(md1_mean(0.5), 1.5);
        // By hand: 1 + .9^2 + .9^6 + .9^14 + .9^30 + .9^62 + .9^126.
        near(supermarket_mean(2, 0.9), 2.6141);
        near(supermarket_mean(1, 0.9), 10.0);
        near(empty_bin(100, 100), 0.366_03);
    }
}
