//! Harmless changes that come with the world itself: a new agent, a deploy, a researcher's daily new hosts.

use std::collections::BTreeMap;

use credwatch_schemas::time::{MINUTE, Micros};

use crate::profile::Profile;
use crate::truth::{Expected, Truth, detector, subject};
use crate::world::{Org, World};

/// Truths about (learnt, until).
pub(crate) fn truths(world: &World, until: Micros) -> Vec<Truth> {
    let mut truths = Vec::new();
    for org in &world.orgs {
        deploys(world, org, until, &mut truths);
        agents(world, org, until, &mut truths);
    }
    truths
}

fn deploys(world: &World, org: &Org, until: Micros, truths: &mut Vec<Truth>) {
    let learnt = world.plan.learnt();
    for (number, deploy) in org.deploys.iter().enumerate().filter(|(_, deploy)| learnt <= **deploy && **deploy < until)
    {
        let why = format!("All agents of {} restart on a new build, one after another, and refresh.", org.id);
        let span = (*deploy, deploy.plus(5 * MINUTE));
        truths.push(truth("deploy", org, &number.to_string(), BTreeMap::new(), span, why));
    }
}

fn agents(world: &World, org: &Org, until: Micros, truths: &mut Vec<Truth>) {
    for agent in &org.agents {
        let about = subject([("agent_id", &agent.id)]);
        if !agent.is_settled(&world.plan) && agent.starts < until {
            let why = format!("{} is new: all its hosts are first calls.", agent.id);
            truths.push(truth("onboarding", org, &agent.id, about, (agent.starts, until), why));
        } else if agent.profile == Profile::WebResearcher {
            let why = format!("New hosts are daily bread to {}.", agent.id);
            truths.push(truth("browsing", org, &agent.id, about, (world.plan.learnt(), until), why));
        }
    }
}

fn truth(
    kind: &str,
    org: &Org,
    part: &str,
    subject: BTreeMap<String, String>,
    span: (Micros, Micros),
    why: String,
) -> Truth {
    Truth {
        id: format!("{kind}/{}/{part}", org.id),
        kind: kind.to_owned(),
        detector: detector(kind),
        org_id: org.id.clone(),
        subject,
        from: span.0,
        to: span.1,
        expected: Expected::MustNot,
        evidence: Vec::new(),
        why,
    }
}
