//! Shares of counts, with what chance makes of them. Pure; every figure is rounded once, so that a document is the same
//! bytes wherever it is made.

use credwatch_schemas::weekly_report::{Ended, Rate};

/// The quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Digits that are kept.
const DIGITS: f64 = 1e6;

pub(super) fn rounded(number: f64) -> f64 {
    (number * DIGITS).round() / DIGITS
}

/// Wilson's interval: it holds for few events too.
pub(super) fn rate(of: i64, all: i64) -> Option<Rate> {
    if all <= 0 {
        return None;
    }
    let (n, p) = (all as f64, of as f64 / all as f64);
    let (center, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let bound = |value: f64| rounded((value / scale).clamp(0.0, 1.0));
    Some(Rate { rate: rounded(p), low: bound(center - spread), high: bound(center + spread) })
}

/// How calls ended, with the share of failures among those that were let out and of which an outcome is known.
pub(super) fn ended(calls: i64, failures: i64, denied: i64, unknown: i64) -> Ended {
    let failure_rate = rate(failures, calls - denied - unknown);
    Ended { calls, failures, denied, unknown, failure_rate }
}

/// By how much the share has certainly grown: the least of this week's interval above the most of last week's.
pub(super) fn growth(now: &Ended, before: &Ended) -> Option<f64> {
    let (now, before) = (now.failure_rate?, before.failure_rate?);
    Some(now.low - before.high).filter(|growth| *growth > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted again with Python, its quantile from `statistics.NormalDist`.
    #[test]
    fn the_interval_is_wilsons() {
        assert_eq!(rate(0, 10), Some(Rate { rate: 0.0, low: 0.0, high: 0.277533 }));
        assert_eq!(rate(5, 10), Some(Rate { rate: 0.5, low: 0.236593, high: 0.763407 }));
        assert_eq!(rate(10, 10), Some(Rate { rate: 1.0, low: 0.722467, high: 1.0 }));
        assert_eq!(rate(0, 0), None);
    }

    #[test]
    fn calls_that_never_went_out_are_not_in_the_share() {
        let ended = ended(10, 2, 4, 2);
        assert_eq!(ended.failure_rate.unwrap().rate, 0.5);
    }

    #[test]
    fn a_few_calls_more_or_less_are_no_growth() {
        assert_eq!(growth(&ended(10, 3, 0, 0), &ended(10, 1, 0, 0)), None);
        assert!(growth(&ended(1_000, 300, 0, 0), &ended(1_000, 100, 0, 0)).unwrap() > 0.1);
        assert_eq!(growth(&ended(10, 3, 0, 0), &ended(0, 0, 0, 0)), None);
    }
}
