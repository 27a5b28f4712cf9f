//! Who there is: orgs, their agents, and the connections that agents call through.
//!
//! The world is small (it grows with orgs and agents, never with days times calls). What happens to it over time, such as
//! a revoked connection, is known before the first event is generated, so that any hour can be generated alone.

use credwatch_schemas::time::{DAY, HOUR, MINUTE, Micros, SECOND};

use crate::chance::{Chance, Of, mixed};
use crate::outage::Outage;
use crate::plan::Plan;
use crate::profile::{Habits, Local, Profile, of_agent};
use crate::provider::Provider;
use crate::sketch::Who;
use crate::token::Tokens;

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    /// Factor on the rate of every agent.
    pub(crate) rate: f64,
    pub(crate) orgs: Vec<Org>,
    pub(crate) outages: Vec<Outage>,
}

#[derive(Debug, Clone)]
pub(crate) struct Org {
    pub(crate) id: String,
    /// The org's label in host names.
    pub(crate) label: String,
    pub(crate) utc_offset: i64,
    pub(crate) source: &'static str,
    pub(crate) people: i64,
    pub(crate) agents: Vec<Agent>,
    /// Restarts of all agents on a new build and prompt, in order.
    pub(crate) deploys: Vec<Micros>,
}

#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) who: Who,
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    pub(crate) user_id: String,
    /// Calls in an hour at full rate, and the k of its gamma-Poisson noise.
    pub(crate) rate: f64,
    pub(crate) k: f64,
    pub(crate) phase: u64,
    /// Onboarded at this time; before it there is nothing of it.
    pub(crate) starts: Micros,
    pub(crate) connections: Vec<Connection>,
    pub(crate) own_hosts: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) provider: &'static Provider,
    pub(crate) host: String,
    pub(crate) class: &'static str,
    pub(crate) owner_id: String,
    pub(crate) owner_kind: &'static str,
    pub(crate) credential_id: String,
    pub(crate) account_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) weight: f64,
    pub(crate) tokens: Tokens,
    /// Spans without ordinary traffic: a scenario writes the connection's story there.
    silent: Vec<(Micros, Micros)>,
}

/// Where brokers stand, and the hours by which clocks there are ahead of UTC.
const REGIONS: [(&str, i64); 6] =
    [("broker-eu", 2), ("broker-us", -5), ("broker-eu", 1), ("broker-us", -8), ("broker-ap", 9), ("broker-eu", 0)];

/// Services that every org runs for itself.
const OWN_SERVICES: [&str; 6] = ["wiki", "files", "search", "tickets", "people", "status"];

impl World {
    /// Deploys are known until `until`; a later `until` changes nothing before it.
    pub(crate) fn new(plan: Plan, until: Micros) -> Self {
        let orgs = (0..plan.orgs as usize).map(|place| org(&plan, until, place)).collect();
        Self { plan, rate: plan.rate, orgs, outages: Outage::of(&plan) }
    }

    pub(crate) fn agent(&self, who: Who) -> &Agent {
        &self.orgs[who.org].agents[who.agent]
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.orgs.iter().flat_map(|org| &org.agents)
    }

    pub(crate) fn connection_mut(&mut self, who: Who, place: usize) -> &mut Connection {
        &mut self.orgs[who.org].agents[who.agent].connections[place]
    }

    /// Calls to be expected of the agent in the hour that begins at `time`.
    pub(crate) fn expected(&self, agent: &Agent, time: Micros) -> f64 {
        let local = self.orgs[agent.who.org].local(time);
        self.rate * agent.rate * agent.habits().rhythm.factor(local, agent.phase)
    }
}

impl Org {
    fn local(&self, time: Micros) -> Local {
        Local::at(time.0 + self.utc_offset)
    }

    /// How many deploys there were: the minor version of agents and prompts.
    pub(crate) fn release(&self, time: Micros) -> usize {
        self.deploys.partition_point(|deploy| *deploy <= time)
    }
}

impl Agent {
    pub(crate) fn habits(&self) -> &'static Habits {
        self.profile.habits()
    }

    /// Whether it was there from the beginning.
    pub(crate) fn is_settled(&self, plan: &Plan) -> bool {
        self.starts == plan.start()
    }
}

impl Connection {
    pub(crate) fn is_silent(&self, time: Micros) -> bool {
        self.silent.iter().any(|(from, to)| *from <= time && time < *to)
    }

    pub(crate) fn silence(&mut self, from: Micros, to: Micros) {
        self.silent.push((from, to));
    }
}

fn org(plan: &Plan, until: Micros, place: usize) -> Org {
    let mut chance = Chance::new(plan.seed, Of::Org, &[place as u64]);
    let (source, hours) = REGIONS[place % REGIONS.len()];
    let number = place + 1;
    let mut org = Org {
        id: format!("org_{number}"),
        label: format!("org-{number}"),
        utc_offset: hours * HOUR,
        source,
        people: chance.between(20, 200),
        agents: Vec::new(),
        deploys: deploys(plan, until, hours * HOUR, &mut chance),
    };
    org.agents = (0..plan.agents as usize).map(|agent| self::agent(plan, &org, Who { org: place, agent })).collect();
    org
}

/// A deploy every two to five days, in the afternoon of the org.
fn deploys(plan: &Plan, until: Micros, utc_offset: i64, chance: &mut Chance) -> Vec<Micros> {
    let mut deploys = Vec::new();
    let mut midnight = Micros(plan.start().0.div_euclid(DAY) * DAY - utc_offset);
    while midnight < until {
        midnight = midnight.plus(chance.between(2, 6) * DAY);
        deploys.push(midnight.plus(chance.between(13 * HOUR, 17 * HOUR)));
    }
    deploys
}

fn agent(plan: &Plan, org: &Org, who: Who) -> Agent {
    let mut chance = Chance::new(plan.seed, Of::Agent, &[who.org as u64, who.agent as u64]);
    let profile = of_agent(who.agent);
    let habits = profile.habits();
    let name = *chance.pick(habits.names);
    let mut agent = Agent {
        who,
        id: format!("{name}-{}", who.agent + 1),
        name,
        profile,
        user_id: format!("usr_{}_{}", who.org + 1, chance.between(1, org.people + 1)),
        rate: chance.log_between(habits.rate.0, habits.rate.1),
        k: chance.log_between(0.8, 20.0),
        phase: chance.bits() >> 16,
        starts: starts(plan, who),
        connections: Vec::new(),
        own_hosts: own_hosts(org, profile, &mut chance),
    };
    agent.connections = connections(plan, org, &agent, &mut chance);
    agent
}

/// Every second org takes on its last agent while the others have long settled.
fn starts(plan: &Plan, who: Who) -> Micros {
    let is_late = plan.agents >= 6 && who.agent + 1 == plan.agents as usize && who.org.is_multiple_of(2);
    let later = (plan.end().0 - plan.learnt().0) / 5;
    if is_late { Micros(plan.learnt().plus(later).0.div_euclid(HOUR) * HOUR + 10 * MINUTE) } else { plan.start() }
}

/// Some of the org's own hosts. A coding agent also reads documentation.
fn own_hosts(org: &Org, profile: Profile, chance: &mut Chance) -> Vec<String> {
    let mut names: Vec<String> =
        OWN_SERVICES.iter().map(|service| format!("{service}.{}.example", org.label)).collect();
    if profile == Profile::CodingAgent {
        names.extend((0..36).map(|number| format!("docs-{number}.dev.example")));
    }
    for last in (1..names.len()).rev() {
        names.swap(last, chance.place(last + 1));
    }
    let (fewest, most) = profile.habits().own_hosts;
    names.truncate(usize::try_from(chance.between(fewest, most + 1)).unwrap_or_default());
    names
}

fn connections(plan: &Plan, org: &Org, agent: &Agent, chance: &mut Chance) -> Vec<Connection> {
    let habits = agent.habits();
    let mut left: Vec<_> = habits.providers.to_vec();
    let wanted = usize::try_from(chance.between(habits.connections.0, habits.connections.1 + 1)).unwrap_or_default();
    let mut connections: Vec<Connection> = Vec::new();
    while connections.len() < wanted && !left.is_empty() {
        // What a profile names first is what it is for: it always has that.
        let place = if connections.is_empty() { 0 } else { chance.place(left.len()) };
        let weight = 1.0 / (connections.len() + 1) as f64;
        connections.push(connection(plan, org, agent, left.remove(place), weight, chance.bits()));
    }
    connections
}

fn connection(plan: &Plan, org: &Org, agent: &Agent, provider: &'static Provider, weight: f64, key: u64) -> Connection {
    let personal = agent.profile.acts_for_a_person();
    let number = agent.who.org + 1;
    let mut scopes: Vec<String> = provider.operations.iter().map(|operation| operation.scope.to_owned()).collect();
    scopes.sort();
    scopes.dedup();
    Connection {
        id: format!("conn_{number}_{}_{}", agent.who.agent + 1, provider.name),
        provider,
        host: provider.host.replace("{tenant}", &org.label),
        class: if personal { "per_user" } else { "service" },
        owner_id: if personal { agent.user_id.clone() } else { format!("svc_{}", agent.id) },
        owner_kind: if personal { "person" } else { "service" },
        credential_id: format!("cred_{:012x}", key >> 16),
        account_id: format!("acct_{}_{number}", provider.name),
        scopes,
        weight,
        tokens: tokens(plan, org, agent, provider, key),
        silent: Vec::new(),
    }
}

/// The first token is as old as chance has it. After a deploy every agent refreshes, one after another, under a lock.
fn tokens(plan: &Plan, org: &Org, agent: &Agent, provider: &Provider, key: u64) -> Tokens {
    let life = provider.token_life.unwrap_or(90 * DAY);
    let age = (key % life.unsigned_abs()).cast_signed();
    let restarts = org.deploys.iter().map(|deploy| restart(*deploy, agent.who)).collect();
    Tokens::new(mixed(plan.seed, Of::Token, &[key]), provider, agent.starts.plus(-age), restarts)
}

/// When this agent is up again after a deploy.
pub(crate) fn restart(deploy: Micros, who: Who) -> Micros {
    deploy.plus(20 * SECOND + who.agent as i64 * 700_000 % (2 * MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(until: i64) -> World {
        let plan = Plan { orgs: 2, agents: 12, ..Plan::default() };
        World::new(plan, plan.end().plus(until))
    }

    #[test]
    fn looking_further_ahead_changes_nothing_before() {
        let (near, far) = (world(0), world(30 * DAY));
        let end = near.plan.end();
        for (near, far) in near.agents().zip(far.agents()) {
            for (near, far) in near.connections.iter().zip(&far.connections) {
                assert_eq!(near.tokens.at(end), far.tokens.at(end));
            }
        }
        assert_eq!(near.orgs[0].release(end), far.orgs[0].release(end));
    }

    #[test]
    fn no_id_is_shared_by_two_orgs() {
        let world = world(0);
        let of = |place: usize| {
            let agents = world.orgs[place].agents.iter();
            agents
                .flat_map(|agent| &agent.connections)
                .flat_map(|c| [c.id.clone(), c.credential_id.clone(), c.account_id.clone()])
        };
        assert!(of(0).all(|id| of(1).all(|other| other != id)));
    }

    #[test]
    fn one_agent_of_every_second_org_comes_later() {
        let world = world(0);
        let late: Vec<_> =
            world.agents().filter(|agent| !agent.is_settled(&world.plan)).map(|agent| agent.who).collect();
        assert_eq!(late, [Who { org: 0, agent: 11 }]);
    }
}
