//! What goes wrong, and the harmless changes that look like it: when each is staged, by whom, and what it leaves behind.
//!
//! A scenario writes its events whole, at a fixed time, and silences the connection that it is about, so that ordinary
//! traffic does not contradict the story. Whatever `rate` is, the story stays the same.

mod cross_tenant;
mod error_spike;
mod new_destination;
mod revocation;
mod stage;
mod token_reuse;
mod unstaged;

use credwatch_schemas::time::{Micros, SECOND};

use crate::plan::Plan;
use crate::sketch::Sketch;
use crate::truth::Truth;
use crate::world::World;

pub(crate) use stage::Stage;
pub(crate) use unstaged::truths as unstaged;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    NewDestination,
    Expiry,
    CrossTenantLookup,
    HaltedRevocation,
    TokenReuse,
    CommonNewHost,
    RetryStorm,
    ErrorSpike,
}

/// Every kind in the order of staging, harmless ones between the others.
const ALL: [Kind; 8] = [
    Kind::NewDestination,
    Kind::Expiry,
    Kind::CrossTenantLookup,
    Kind::HaltedRevocation,
    Kind::TokenReuse,
    Kind::CommonNewHost,
    Kind::RetryStorm,
    Kind::ErrorSpike,
];

/// The ones that a detector must find, quickest first.
const INCIDENTS: [Kind; 5] =
    [Kind::NewDestination, Kind::CrossTenantLookup, Kind::TokenReuse, Kind::RetryStorm, Kind::ErrorSpike];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NewDestination => "new_destination",
            Self::Expiry => "expiry",
            Self::CrossTenantLookup => "cross_tenant_lookup",
            Self::HaltedRevocation => "halted_revocation",
            Self::TokenReuse => "token_reuse",
            Self::CommonNewHost => "common_new_host",
            Self::RetryStorm => "retry_storm",
            Self::ErrorSpike => "error_spike",
        }
    }

    fn play(self, stage: &mut Stage<'_>) {
        match self {
            Self::NewDestination => new_destination::unheard_of(stage),
            Self::CommonNewHost => new_destination::common(stage),
            Self::CrossTenantLookup => cross_tenant::lookup(stage),
            Self::TokenReuse => token_reuse::reuse(stage),
            Self::RetryStorm => revocation::storm(stage),
            Self::HaltedRevocation => revocation::halted(stage),
            Self::Expiry => revocation::expiry(stage),
            Self::ErrorSpike => error_spike::spike(stage),
        }
    }
}

/// One staging of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    pub(crate) kind: Kind,
    /// How many of this kind came before it: stories vary with it.
    pub(crate) round: u64,
    /// Place of the org that it befalls.
    pub(crate) org: usize,
    pub(crate) start: Micros,
}

/// Acts of the history, spread evenly over the days after learning, every kind in every round.
pub(crate) fn history(plan: &Plan) -> Vec<Act> {
    let acts = u64::from(plan.incidents) * ALL.len() as u64;
    let slot = (plan.calm().0 - plan.learnt().0) / acts.max(1).cast_signed();
    let start = |number: u64| plan.learnt().plus(slot * number.cast_signed() + slot / 8);
    let all = (0..u64::from(plan.incidents)).flat_map(|round| ALL.map(|kind| (round, kind)));
    all.zip(0..).map(|((round, kind), number)| act(plan, kind, round, start(number))).collect()
}

/// One of each incident soon after `from`, three seconds apart.
pub(crate) fn live(plan: &Plan, from: Micros) -> Vec<Act> {
    let round = u64::from(plan.incidents);
    INCIDENTS.into_iter().zip(1..).map(|(kind, place)| act(plan, kind, round, from.plus(place * 3 * SECOND))).collect()
}

fn act(plan: &Plan, kind: Kind, round: u64, start: Micros) -> Act {
    let org = (round + kind as u64) % u64::from(plan.orgs.max(1));
    Act { kind, round, org: org as usize, start }
}

/// Plays the acts in order; each changes the world for what comes after it.
pub(crate) fn play(world: &mut World, acts: &[Act], sketches: &mut Vec<Sketch>, truths: &mut Vec<Truth>) {
    for act in acts {
        let mut stage = Stage::new(world, *act);
        act.kind.play(&mut stage);
        stage.leave(sketches, truths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::detector;

    #[test]
    fn every_kind_has_a_detector_that_watches_for_it() {
        for kind in ALL {
            assert_ne!(detector(kind.name()), "", "{kind:?}");
        }
    }

    #[test]
    fn acts_of_the_history_lie_between_learning_and_the_end_in_order() {
        let plan = Plan::default();
        let acts = history(&plan);
        assert_eq!(acts.len(), 16);
        assert!(acts.is_sorted_by_key(|act| act.start));
        assert!(acts.iter().all(|act| plan.learnt() < act.start && act.start < plan.calm()));
    }

    #[test]
    fn two_rounds_befall_different_orgs() {
        let acts = history(&Plan::default());
        let orgs = |kind| acts.iter().filter(move |act| act.kind == kind).map(|act| act.org).collect::<Vec<_>>();
        for kind in ALL {
            assert_ne!(orgs(kind)[0], orgs(kind)[1], "{kind:?}");
        }
    }
}
