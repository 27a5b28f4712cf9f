//! How many of a week's statistical findings are chance's, and which of them hardly are. Pure.
//!
//! A detector that tests may raise so many findings where nothing is wrong. A finding that used up only a part of the
//! probability that it was allowed has so much fewer of them beside it: of the findings that used at most that part, chance
//! makes that part of what it makes of all (Benjamini and Hochberg). No detector decides by this: it orders what people read.

use std::collections::BTreeMap;

use credwatch_schemas::ids::FindingId;

use super::share::rounded;

/// The share of chance that is borne among what is said to stand beyond it.
pub(super) const BORNE: f64 = 0.1;

/// A finding, and the part of the allowed probability that it used up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tested {
    pub(super) finding_id: FindingId,
    pub(super) used: f64,
}

/// Of the findings that are at least so improbable as each, the share that chance makes, where it makes `expected` of all.
pub(super) fn false_discovery_rates(mut tested: Vec<Tested>, expected: f64) -> BTreeMap<FindingId, f64> {
    tested.sort_by(|one, other| other.used.total_cmp(&one.used));
    let (mut rate, all) = (1.0_f64, tested.len());
    let ranked = tested.into_iter().enumerate().map(|(place, one)| {
        // A less improbable one with a lower rate stands for those before it.
        rate = rate.min(expected * one.used / (all - place) as f64);
        (one.finding_id, rounded(rate))
    });
    ranked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(used: &[f64]) -> Vec<Tested> {
        let one =
            |(place, used): (usize, &f64)| Tested { finding_id: FindingId::new(format!("f_{place}")), used: *used };
        used.iter().enumerate().map(one).collect()
    }

    fn rates(used: &[f64], expected: f64) -> Vec<f64> {
        false_discovery_rates(tested(used), expected).into_values().collect()
    }

    /// Counted again with `scipy.stats.false_discovery_control` over p = expected * used / n, n tests.
    #[test]
    fn the_rate_is_that_of_benjamini_and_hochberg() {
        assert_eq!(rates(&[0.001, 0.5, 0.02, 0.021], 2.0), [0.002, 0.25, 0.014, 0.014]);
        assert_eq!(rates(&[1.0, 1.0], 5.0), [1.0, 1.0], "more are expected than there are");
        assert_eq!(rates(&[], 3.0), [0.0; 0]);
    }

    #[test]
    fn what_chance_never_makes_is_beyond_it() {
        assert!(rates(&[0.9, 1.0], 0.0).into_iter().all(|rate| rate <= BORNE));
    }
}
