//! Chance as an argument: one independent stream of numbers for each thing that has one.
//!
//! A stream is named by the seed and a path of numbers (org, agent, hour, ...). Nothing is drawn from a shared stream,
//! so no stream depends on another or on the order in which they are read: an org alone is what it is among others.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// First step of a path: what the stream is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Org = 1,
    Agent,
    Hour,
    Call,
    Token,
    Id,
    Scenario,
    Outage,
}

#[derive(Debug, Clone)]
pub(crate) struct Chance(ChaCha8Rng);

/// 64 bits that depend on every number of the path (the finaliser of splitmix64, chained).
pub(crate) fn mixed(seed: u64, of: Of, path: &[u64]) -> u64 {
    let start = scramble(seed ^ scramble(of as u64));
    path.iter().fold(start, |hash, part| scramble(hash.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ scramble(*part)))
}

fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Chance {
    pub(crate) fn new(seed: u64, of: Of, path: &[u64]) -> Self {
        Self(ChaCha8Rng::seed_from_u64(mixed(seed, of, path)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.random::<u64>()
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in [low, high); `low` where that is empty.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        if high > low { self.0.random_range(low..high) } else { low }
    }

    /// A place in a list of `len`, which is not empty.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        self.0.random_range(0..len.max(1))
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.place(list.len())]
    }

    /// A place in a list of weights, by weight.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut rest = self.unit() * weights.clone().sum::<f64>();
        let found = weights.clone().position(|weight| {
            rest -= weight;
            rest < 0.0
        });
        found.unwrap_or_else(|| weights.count().saturating_sub(1))
    }

    /// Uniform in the logarithm: as likely between 5 and 10 as between 10 and 20.
    pub(crate) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }

    /// Waiting time with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Box and Muller's transform, one of its two numbers.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Marsaglia and Tsang's method; a shape below 1 is lifted by 1 and taken back.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * (1.0 - self.unit()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Gamma-Poisson count: this mean, and variance mean + mean^2 / k.
    pub(crate) fn count(&mut self, mean: f64, k: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        let rate = mean * self.gamma(k) / k;
        self.poisson(rate)
    }

    /// Beta-distributed share with this mean and intra-class correlation.
    pub(crate) fn share(&mut self, mean: f64, correlation: f64) -> f64 {
        let weight = 1.0 / correlation - 1.0;
        let (hit, miss) = (self.gamma(mean * weight), self.gamma((1.0 - mean) * weight));
        hit / (hit + miss)
    }

    /// Knuth's product in steps of at most 30, so that nothing underflows.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let limit = (-left.min(30.0)).exp();
            left -= 30.0;
            let mut product = self.unit();
            while product > limit {
                count += 1;
                product *= self.unit();
            }
        }
        count
    }

    /// Rank in 0..n with probability nearly proportional to 1 / (rank + 1).
    pub(crate) fn zipf(&mut self, n: u32) -> u32 {
        let rank = f64::from(n + 1).powf(self.unit()).floor();
        (rank as u32).clamp(1, n) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 20_000;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..DRAWS).map(|_| draw()).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn streams_differ_by_every_step_of_their_path() {
        let first = |seed, of, path: &[u64]| Chance::new(seed, of, path).bits();
        let base = first(7, Of::Hour, &[1, 2]);
        assert_eq!(base, first(7, Of::Hour, &[1, 2]));
        for other in [
            first(8, Of::Hour, &[1, 2]),
            first(7, Of::Call, &[1, 2]),
            first(7, Of::Hour, &[2, 1]),
            first(7, Of::Hour, &[1]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn counts_have_the_mean_and_the_excess_variance_that_was_asked_for() {
        let mut chance = Chance::new(1, Of::Call, &[]);
        let counts: Vec<f64> = (0..DRAWS).map(|_| f64::from(chance.count(40.0, 4.0))).collect();
        let mean = counts.iter().sum::<f64>() / f64::from(DRAWS);
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / f64::from(DRAWS);
        assert!((mean - 40.0).abs() < 1.0, "{mean}");
        assert!((variance - 440.0).abs() < 45.0, "{variance}");
    }

    #[test]
    fn shares_have_the_mean_that_was_asked_for() {
        let mut chance = Chance::new(2, Of::Call, &[]);
        let mean = mean(|| chance.share(0.02, 0.03));
        assert!((mean - 0.02).abs() < 0.002, "{mean}");
    }

    #[test]
    fn the_first_rank_is_drawn_about_twice_as_often_as_the_second() {
        let mut chance = Chance::new(3, Of::Call, &[]);
        let ranks: Vec<u32> = (0..DRAWS).map(|_| chance.zipf(5_000)).collect();
        let of = |rank| ranks.iter().filter(|drawn| **drawn == rank).count() as f64;
        assert!((1.5..2.0).contains(&(of(0) / of(1))), "{} {}", of(0), of(1));
        assert!(ranks.iter().all(|rank| *rank < 5_000));
    }
}
