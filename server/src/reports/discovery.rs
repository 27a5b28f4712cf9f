//! How many of a week's statistical findings are chance's, and which of them hardly are. Pure.
//!
//! A detector that tests may raise so many findings where nothing is wrong. A finding that used up only a part of the
//! probability that it was allowed has so much fewer of them beside it: of the findings that used at most that part, chance
//! makes that part of what it makes of all (Benjamini and Hochberg). No detector decides by this: it orders what people read.

use std::collections::BTreeMap;

use credwatch_detectors::{Chance, InForce};
use credwatch_schemas::ids::{DetectorId, FindingId};
use credwatch_schemas::time::{DAY, Micros};

use super::answers::{Bounds, FindingsRow, TestedRow};
use super::share::rounded;

/// The share of chance that is borne among what is said to stand beyond it.
pub(super) const BORNE: f64 = 0.1;

/// So many findings chance raises for these agents, as far as the week is there; nothing where no detector tests.
pub(super) fn expected(detectors: &[InForce], agents: i64, bounds: Bounds, until: Micros) -> Option<f64> {
    let for_an_agent: Vec<f64> = detectors.iter().filter_map(|one| Some(one.chance.as_ref()?.findings)).collect();
    let there = until.min(bounds.to).max(bounds.from);
    let days = (there.0 - bounds.from.0) as f64 / DAY as f64;
    (!for_an_agent.is_empty()).then(|| rounded(for_an_agent.iter().sum::<f64>() * agents as f64 * days))
}

/// How many that a test raised stand, however many of them are ranked.
pub(super) fn statistical(detectors: &[InForce], found: &[FindingsRow]) -> i64 {
    let tests = |id: &DetectorId| chance_of(detectors, id).is_some();
    let stand = found.iter().filter(|row| row.of_week && !row.status.is_quiet() && tests(&row.detector_id));
    stand.map(|row| row.findings).sum()
}

/// Of everything that findings compare, the probabilities of those that a test raised.
pub(super) fn tested(detectors: &[InForce], compared: Vec<TestedRow>) -> Vec<Tested> {
    let is_chance =
        |row: &TestedRow| chance_of(detectors, &row.detector_id).is_some_and(|of| of.compared == row.compared);
    let tested = compared.into_iter().filter(is_chance);
    tested.map(|row| Tested { used: row.observed / row.threshold, finding_id: row.finding_id }).collect()
}

fn chance_of<'a>(detectors: &'a [InForce], id: &DetectorId) -> Option<&'a Chance> {
    detectors.iter().find(|one| one.id == *id)?.chance.as_ref()
}

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
    use crate::sample::in_force;

    fn those(used: &[f64]) -> Vec<Tested> {
        let one =
            |(place, used): (usize, &f64)| Tested { finding_id: FindingId::new(format!("f_{place}")), used: *used };
        used.iter().enumerate().map(one).collect()
    }

    fn rates(used: &[f64], expected: f64) -> Vec<f64> {
        false_discovery_rates(those(used), expected).into_values().collect()
    }

    /// Counted again with `scipy.stats.false_discovery_control` over p = expected * used / n, n tests.
    #[test]
    fn the_rate_is_that_of_benjamini_and_hochberg() {
        assert_eq!(rates(&[0.001, 0.5, 0.02, 0.021], 2.0), [0.002, 0.25, 0.014, 0.014]);
        assert_eq!(rates(&[1.0, 1.0], 5.0), [1.0, 1.0], "more are expected than there are");
        assert_eq!(rates(&[], 3.0), [0.0; 0]);
    }

    fn test_of(id: &str) -> InForce {
        InForce { chance: Some(Chance { findings: 0.5, compared: "luck".to_owned() }), ..in_force(id) }
    }

    #[test]
    fn what_is_expected_follows_the_agents_and_the_days_that_are_there() {
        let bounds = Bounds { before: Micros(0), from: Micros(7 * DAY), to: Micros(14 * DAY) };
        let until = |day: i64, detectors: &[InForce]| expected(detectors, 10, bounds, Micros(day * DAY));
        let both = [test_of("one"), test_of("two"), in_force("exact")];
        assert_eq!((until(20, &both), until(9, &both), until(3, &both)), (Some(70.0), Some(20.0), Some(0.0)));
        assert_eq!(until(20, &[in_force("exact")]), None, "no detector tests");
    }

    #[test]
    fn only_the_probability_of_a_detector_that_tests_is_one() {
        let row = |detector: &str, compared: &str| TestedRow {
            finding_id: FindingId::new(detector),
            detector_id: DetectorId::new(detector),
            compared: compared.to_owned(),
            observed: 0.001,
            threshold: 0.01,
        };
        let rows = vec![row("one", "luck"), row("one", "other"), row("exact", "luck"), row("gone", "luck")];
        let tested = tested(&[test_of("one"), in_force("exact")], rows);
        assert_eq!(tested, [Tested { finding_id: FindingId::new("one"), used: 0.1 }]);
    }

    #[test]
    fn what_chance_never_makes_is_beyond_it() {
        assert!(rates(&[0.9, 1.0], 0.0).into_iter().all(|rate| rate <= BORNE));
    }
}
