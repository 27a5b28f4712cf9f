//! What to simulate: which span of event time, how many orgs and agents, how busy, how much goes wrong.
//!
//! A plan and nothing else decides every byte.

use credwatch_schemas::time::{DAY, HOUR, Micros};
use serde::{Deserialize, Serialize};

/// Detectors of new things let an agent show a week of its habits first.
const WARM_UP: i64 = 7 * DAY;

/// The whole input of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    pub seed: u64,
    /// Event time of the first hour; cut down to a full hour of UTC.
    pub from: Micros,
    pub days: u32,
    pub orgs: u32,
    /// Agents of each org. Fewer than six leave some kinds of agents out.
    pub agents: u32,
    /// Factor on how often agents call; 1 is about a thousand calls of an agent a day. Incidents are not scaled.
    pub rate: f64,
    /// How often each kind of incident happens in the history; 0: nothing is wrong, outages included.
    pub incidents: u32,
    /// Exactly so many events in place of what `rate` gives; the last day is cut or drawn out to meet it.
    pub events: Option<u64>,
}

impl Default for Plan {
    /// Ten days from Monday 2026-06-01: a week to learn, then incidents.
    fn default() -> Self {
        Self {
            seed: 7,
            from: Micros(1_780_272_000_000_000),
            days: 10,
            orgs: 3,
            agents: 8,
            rate: 0.5,
            incidents: 2,
            events: None,
        }
    }
}

impl Plan {
    /// A plan of exactly `events` events over ten days, with a fleet that fits them.
    pub fn of_events(seed: u64, events: u64) -> Self {
        let (orgs, agents) = match events {
            0..10_000 => (2, 4),
            10_000..100_000 => (3, 6),
            100_000..1_000_000 => (4, 12),
            _ => (20, 25),
        };
        let incidents = if events < 10_000 { 1 } else { 2 };
        Self { seed, orgs, agents, incidents, events: Some(events), ..Self::default() }
    }

    pub fn start(&self) -> Micros {
        Micros(self.from.0.div_euclid(HOUR) * HOUR)
    }

    pub fn end(&self) -> Micros {
        self.start().plus(i64::from(self.days) * DAY)
    }

    /// Before this moment nothing is wrong: the warm-up week, or three fifths of a span too short for it.
    pub fn learnt(&self) -> Micros {
        let span = i64::from(self.days) * DAY;
        let enough = WARM_UP + 2 * HOUR;
        self.start().plus(if span > enough + DAY { enough.max(span / 2) } else { span / 5 * 3 })
    }

    /// Incidents begin before this moment, so that a shorter last day cuts none of them off.
    pub(crate) fn calm(&self) -> Micros {
        self.learnt().plus((self.end().0 - self.learnt().0) * 7 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_begins_on_the_first_of_june_and_learns_for_a_week() {
        let plan = Plan::default();
        assert_eq!(Some(plan.start()), Micros::parse("2026-06-01T00:00:00Z"));
        assert_eq!(Some(plan.learnt()), Micros::parse("2026-06-08T02:00:00Z"));
        assert_eq!(Some(plan.end()), Micros::parse("2026-06-11T00:00:00Z"));
    }

    #[test]
    fn a_short_span_learns_for_three_fifths_of_it() {
        let plan = Plan { days: 1, ..Plan::default() };
        assert_eq!(plan.learnt().0 - plan.start().0, DAY / 5 * 3);
        assert!(plan.learnt() < plan.calm() && plan.calm() < plan.end());
    }

    #[test]
    fn a_plan_starts_on_the_hour() {
        let plan =
            Plan { from: Micros(1_780_272_000_000_000 + 59 * credwatch_schemas::time::MINUTE), ..Plan::default() };
        assert_eq!(plan.start(), Plan::default().from);
    }
}
