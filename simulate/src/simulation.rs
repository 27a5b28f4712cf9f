//! The whole: a world, its scenarios, and the traffic of a span of it, hour by hour.

use std::mem;
use std::sync::Arc;
use std::vec;

use credwatch_schemas::event::Event;
use credwatch_schemas::time::{DAY, HOUR, Micros};

use crate::plan::Plan;
use crate::sketch::Sketch;
use crate::truth::Truth;
use crate::world::World;
use crate::{hour, outage, scenario, telling};

/// A span of traffic and the truth about it. Cheap to clone; every traffic of it is the same.
#[derive(Debug, Clone)]
pub struct Simulation {
    world: Arc<World>,
    /// What scenarios wrote, in order.
    scripted: Arc<[Sketch]>,
    truths: Arc<[Truth]>,
    from: Micros,
    to: Micros,
    limit: Option<u64>,
}

/// One event of the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    pub time: Micros,
    pub event: Event,
}

impl Simulated {
    /// The org: what a producer uses as Kafka key, so that the events of an org stay in order.
    pub fn key(&self) -> &str {
        self.event.org_id.as_deref().unwrap_or_default()
    }

    /// The event as one line of event-v1, without the line's end.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.event)
    }
}

impl Simulation {
    /// The plan's days, with every kind of incident and of harmless change in the part after [`Plan::learnt`].
    pub fn history(plan: Plan) -> Self {
        // Traffic may run over the last day to reach the number of events asked for.
        let to = if plan.events.is_some() { plan.end().plus(DAY + i64::from(plan.days) * DAY / 4) } else { plan.end() };
        let mut world = World::new(plan, to);
        let (mut scripted, mut truths) = (Vec::new(), Vec::new());
        scenario::play(&mut world, &scenario::history(&plan), &mut scripted, &mut truths);
        truths.extend(scenario::unstaged(&world, plan.end()));
        truths.extend(outage::truths(&world));
        let history = Self::of(world, scripted, truths, plan.start(), to);
        match plan.events {
            Some(events) => history.meet(events),
            None => history,
        }
    }

    /// What follows this history: the same orgs and agents as busy as before, from `from` on for so many days, and one of
    /// each incident within seconds of `from`.
    pub fn live(&self, from: Micros, days: u32) -> Self {
        let plan = self.world.plan;
        let to = from.plus(i64::from(days) * DAY);
        let mut world = World { rate: self.world.rate, ..World::new(plan, to) };
        // The history's scenarios have changed connections; their events and truths belong to the history.
        scenario::play(&mut world, &scenario::history(&plan), &mut Vec::new(), &mut Vec::new());
        let (mut scripted, mut truths) = (Vec::new(), Vec::new());
        scenario::play(&mut world, &scenario::live(&plan, from), &mut scripted, &mut truths);
        Self::of(world, scripted, truths, from, to)
    }

    fn of(world: World, mut scripted: Vec<Sketch>, mut truths: Vec<Truth>, from: Micros, to: Micros) -> Self {
        scripted.sort_by_key(Sketch::order);
        truths.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
        Self { world: Arc::new(world), scripted: scripted.into(), truths: truths.into(), from, to, limit: None }
    }

    /// In order of their beginning.
    pub fn truths(&self) -> &[Truth] {
        &self.truths
    }

    /// Every event from the first, in order of time.
    pub fn traffic(&self) -> Traffic {
        Traffic(Sketches::new(self))
    }

    /// Finds the rate at which the plan's days hold nearly so many events; the last ones come after them.
    fn meet(mut self, events: u64) -> Self {
        let end = self.world.plan.end();
        let scripted = self.scripted.len() as f64;
        let wanted = (events as f64 * 0.98 - scripted).max(1.0);
        let guess = wanted / self.at_rate(1.0).expected_calls().max(1.0);
        let counted = Sketches::new(&self.at_rate(guess)).take_while(|sketch| sketch.time < end).count();
        self = self.at_rate(guess * wanted / (counted as f64 - scripted).max(1.0));
        Self { limit: Some(events), ..self }
    }

    fn at_rate(&self, rate: f64) -> Self {
        let mut other = self.clone();
        Arc::make_mut(&mut other.world).rate = rate;
        other
    }

    /// Calls that the plan's days hold on average.
    fn expected_calls(&self) -> f64 {
        let world = &self.world;
        let hours = (0..i64::from(world.plan.days) * 24).map(|hour| world.plan.start().plus(hour * HOUR));
        hours
            .map(|hour| {
                world
                    .agents()
                    .filter(|agent| agent.starts <= hour)
                    .map(|agent| world.expected(agent, hour))
                    .sum::<f64>()
            })
            .sum()
    }
}

/// Events in order of time.
#[derive(Debug)]
pub struct Traffic(Sketches);

impl Iterator for Traffic {
    type Item = Simulated;

    fn next(&mut self) -> Option<Simulated> {
        let sketch = self.0.next()?;
        Some(Simulated { time: sketch.time, event: telling::event(&self.0.simulation.world, sketch) })
    }
}

/// One hour of the fleet at a time.
#[derive(Debug)]
struct Sketches {
    simulation: Simulation,
    /// The hour that comes next.
    hour: Micros,
    ready: vec::IntoIter<Sketch>,
    /// Retries that ran over the end of their hour.
    late: Vec<Sketch>,
    scripted: usize,
    given: u64,
}

impl Sketches {
    fn new(simulation: &Simulation) -> Self {
        let hour = Micros(simulation.from.0.div_euclid(HOUR) * HOUR);
        Self {
            simulation: simulation.clone(),
            hour,
            ready: Vec::new().into_iter(),
            late: Vec::new(),
            scripted: 0,
            given: 0,
        }
    }

    fn fill(&mut self) {
        let (start, end) = (self.hour, self.hour.plus(HOUR));
        let simulation = &self.simulation;
        let mut sketches = mem::take(&mut self.late);
        for agent in simulation.world.agents() {
            hour::add(&simulation.world, agent, start, &mut sketches);
        }
        let scripted = simulation.scripted[self.scripted..].iter().take_while(|sketch| sketch.time < end);
        let before = sketches.len();
        sketches.extend(scripted.cloned());
        self.scripted += sketches.len() - before;
        sketches.sort_unstable_by_key(Sketch::order);
        self.late = sketches.split_off(sketches.partition_point(|sketch| sketch.time < end));
        sketches.retain(|sketch| simulation.from <= sketch.time && sketch.time < simulation.to);
        self.ready = sketches.into_iter();
        self.hour = end;
    }
}

impl Iterator for Sketches {
    type Item = Sketch;

    fn next(&mut self) -> Option<Sketch> {
        if self.simulation.limit.is_some_and(|limit| self.given >= limit) {
            return None;
        }
        loop {
            if let Some(sketch) = self.ready.next() {
                self.given += 1;
                return Some(sketch);
            }
            if self.hour >= self.simulation.to {
                return None;
            }
            self.fill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_number_of_events_is_met_exactly_within_a_day_of_the_plans_end() {
        let plan = Plan::of_events(4, 300_000);
        let simulation = Simulation::history(plan);
        let (mut count, mut last) = (0, Micros(0));
        for sketch in Sketches::new(&simulation) {
            count += 1;
            last = sketch.time;
        }
        assert_eq!(count, 300_000);
        assert!((last.0 - plan.end().0).abs() < DAY, "{last}");
    }

    #[test]
    fn traffic_is_the_same_each_time_it_is_asked_for() {
        let simulation = Simulation::history(Plan::of_events(5, 3_000));
        assert!(simulation.traffic().eq(simulation.traffic()));
    }
}
