//! A provider's bad hours: everybody who calls its host is refused, whatever the org.

use credwatch_schemas::time::{MINUTE, Micros};

use crate::chance::{Chance, Of};
use crate::plan::Plan;
use crate::provider::{GITHUB, GOOGLE, Provider, SLACK};
use crate::truth::{Expected, Truth, detector, subject};
use crate::world::{Org, World};

/// Share of calls that fail while it lasts.
pub(crate) const FAILING: f64 = 0.85;

const KIND: &str = "outage";

#[derive(Debug, Clone)]
pub(crate) struct Outage {
    pub(crate) provider: &'static Provider,
    pub(crate) start: Micros,
    pub(crate) end: Micros,
}

impl Outage {
    /// None where nothing is to go wrong; otherwise one while there is still much to learn, if there are days enough, and one among the incidents.
    pub(crate) fn of(plan: &Plan) -> Vec<Self> {
        let mut outages = Vec::new();
        if plan.incidents == 0 {
            return outages;
        }
        if plan.days >= 4 {
            outages.push(Self::within(plan, 0, plan.start(), plan.learnt()));
        }
        if plan.days >= 1 {
            outages.push(Self::within(plan, 1, plan.learnt(), plan.calm()));
        }
        outages
    }

    fn within(plan: &Plan, number: u64, from: Micros, to: Micros) -> Self {
        let mut chance = Chance::new(plan.seed, Of::Outage, &[number]);
        let provider = *chance.pick(&[&SLACK, &GITHUB, &GOOGLE]);
        let length = chance.between(20 * MINUTE, 180 * MINUTE);
        let start = Micros(chance.between(from.0, to.0 - length));
        Self { provider, start, end: start.plus(length) }
    }

    pub(crate) fn covers(&self, host: &str, time: Micros) -> bool {
        self.start <= time && time < self.end && self.provider.host == host
    }
}

/// An org may be told of an outage once for the host, and not once for each agent.
pub(crate) fn truths(world: &World) -> Vec<Truth> {
    let mut truths = Vec::new();
    for (number, outage) in world.outages.iter().enumerate() {
        for org in &world.orgs {
            of_org(number, outage, org, &mut truths);
        }
    }
    truths
}

fn of_org(number: usize, outage: &Outage, org: &Org, truths: &mut Vec<Truth>) {
    let host = outage.provider.host;
    let callers: Vec<_> =
        org.agents.iter().filter(|agent| agent.connections.iter().any(|connection| connection.host == host)).collect();
    if callers.is_empty() {
        return;
    }
    let mut tell = |part: &str, expected, subject, why: String| {
        truths.push(Truth {
            id: format!("{KIND}-{number}/{}{part}", org.id),
            kind: KIND.to_owned(),
            detector: detector(KIND),
            org_id: org.id.clone(),
            subject,
            from: outage.start,
            to: outage.end,
            expected,
            evidence: Vec::new(),
            why,
        });
    };
    tell(
        "",
        Expected::May,
        subject([("dest_host", host)]),
        format!("{host} answered most calls of every agent with 5xx."),
    );
    // With fewer callers nobody can tell the provider's trouble from an agent's.
    let expected = if callers.len() >= 3 { Expected::MustNot } else { Expected::May };
    for agent in callers {
        let why = format!("{} suffers from the outage of {host} like everybody else.", agent.id);
        tell(&format!("/{}", agent.id), expected, subject([("dest_host", host), ("agent_id", &agent.id)]), why);
    }
}
