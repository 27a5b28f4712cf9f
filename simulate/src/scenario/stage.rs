//! Where a scenario plays: it finds its actors, writes its events, tells the truth, and changes the world it leaves.

use std::collections::BTreeMap;

use credwatch_schemas::event::Event;
use credwatch_schemas::time::{Micros, SECOND};

use crate::chance::{Chance, Of, mixed};
use crate::profile::Profile;
use crate::scenario::Act;
use crate::sketch::{Answer, Call, Sketch, Target, What, Who};
use crate::telling::{self, Moment};
use crate::truth::{Expected, Truth, detector};
use crate::world::{Agent, Connection, World};

/// An agent with the connection that a story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) who: Who,
    pub(crate) connection: usize,
}

#[derive(Debug)]
pub(crate) struct Stage<'a> {
    world: &'a mut World,
    pub(crate) act: Act,
    pub(crate) chance: Chance,
    next_key: u64,
    sketches: Vec<Sketch>,
    truths: Vec<Truth>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(world: &'a mut World, act: Act) -> Self {
        let path = [act.kind as u64, act.round];
        let chance = Chance::new(world.plan.seed, Of::Scenario, &path);
        // Above the keys of ordinary hours, and apart from those of other acts.
        let number = act.round * 64 + act.kind as u64;
        let next_key = 1 << 63 | number << 24;
        Self { world, act, chance, next_key, sketches: Vec::new(), truths: Vec::new() }
    }

    /// Hands over what was staged.
    pub(crate) fn leave(self, sketches: &mut Vec<Sketch>, truths: &mut Vec<Truth>) {
        sketches.extend(self.sketches);
        truths.extend(self.truths);
    }

    pub(crate) fn world(&self) -> &World {
        self.world
    }

    pub(crate) fn agent(&self, actor: Actor) -> &Agent {
        self.world.agent(actor.who)
    }

    pub(crate) fn connection(&self, actor: Actor) -> &Connection {
        &self.agent(actor).connections[actor.connection]
    }

    /// Id of an org beside this one, though it be the only one of the plan.
    pub(crate) fn other_org(&self) -> String {
        let orgs = self.world.orgs.len().max(2);
        format!("org_{}", (self.act.org + 1) % orgs + 1)
    }

    /// A settled agent of the org with a connection that serves, of the first profile that has one.
    pub(crate) fn cast(
        &mut self,
        org: usize,
        profiles: &[Profile],
        serves: impl Fn(&Connection) -> bool,
    ) -> Option<Actor> {
        for profile in profiles {
            let found: Vec<_> = self.candidates(org, *profile, &serves).collect();
            if !found.is_empty() {
                return Some(*self.chance.pick(&found));
            }
        }
        None
    }

    fn candidates(
        &self,
        org: usize,
        profile: Profile,
        serves: impl Fn(&Connection) -> bool,
    ) -> impl Iterator<Item = Actor> {
        let agents = self.world.orgs.get(org).into_iter().flat_map(|org| &org.agents);
        let settled = agents.filter(move |agent| agent.profile == profile && agent.is_settled(&self.world.plan));
        settled.filter_map(move |agent| {
            let connection = agent.connections.iter().position(&serves)?;
            Some(Actor { who: agent.who, connection })
        })
    }

    fn moment(&mut self, who: Who, time: Micros) -> Moment {
        let key = self.next_key;
        self.next_key += 1;
        Moment { time, who, key }
    }

    fn push(&mut self, moment: Moment, event: Event) -> String {
        let id = event.event_id.clone().unwrap_or_default();
        let Moment { time, who, key } = moment;
        self.sketches.push(Sketch { time, who, key, what: What::Scripted(Box::new(event)) });
        id
    }

    /// A call through the actor's connection; `alter` says what is odd about it. Gives the event's id.
    pub(crate) fn call(
        &mut self,
        actor: Actor,
        time: Micros,
        answer: Answer,
        attempt: i32,
        alter: impl FnOnce(&mut Event),
    ) -> String {
        let target = Target::Connection(actor.connection);
        let trace = mixed(self.next_key, Of::Scenario, &[self.world.plan.seed, actor.who.org as u64]);
        let moment = self.moment(actor.who, time);
        let mut event = telling::call(self.world, moment, &Call { target, operation: 0, answer, attempt, trace });
        alter(&mut event);
        self.push(moment, event)
    }

    /// A call to a host outside the agent's connections.
    pub(crate) fn fetch(&mut self, who: Who, time: Micros, host: &str, alter: impl FnOnce(&mut Event)) -> String {
        let trace = mixed(self.next_key, Of::Scenario, &[self.world.plan.seed, who.org as u64]);
        let moment = self.moment(who, time);
        let call = Call { target: Target::Site(0), operation: 0, answer: Answer::OK, attempt: 1, trace };
        let mut event = telling::call(self.world, moment, &call);
        event.dest_host = Some(host.to_owned());
        alter(&mut event);
        self.push(moment, event)
    }

    /// Something that concerns the connection and is no call.
    pub(crate) fn notice(&mut self, actor: Actor, time: Micros, kind: &str) -> String {
        let moment = self.moment(actor.who, time);
        let event = telling::notice(self.world, moment, actor.connection, kind);
        self.push(moment, event)
    }

    /// Keeps ordinary traffic off the connection while the story runs.
    pub(crate) fn silence(&mut self, actor: Actor, from: Micros, to: Micros) {
        self.world.connection_mut(actor.who, actor.connection).silence(from.plus(-2 * SECOND), to.plus(2 * SECOND));
    }

    /// A fresh token from here on: somebody authorised the connection again, or the broker refreshed it.
    pub(crate) fn renew(&mut self, actor: Actor, time: Micros) {
        self.world.connection_mut(actor.who, actor.connection).tokens.restart(vec![time]);
    }

    pub(crate) fn refresh(&mut self, actor: Actor, time: Micros) {
        self.renew(actor, time);
        let Moment { time, who, key } = self.moment(actor.who, time);
        self.sketches.push(Sketch {
            time,
            who,
            key,
            what: What::Refresh { connection: actor.connection, trigger: "on_401" },
        });
    }

    pub(crate) fn tell(&mut self, truth: Told) {
        let kind = self.act.kind.name();
        let org_id = self.world.orgs[truth.org].id.clone();
        let number = self.truths.len();
        self.truths.push(Truth {
            id: format!("{kind}-{}/{org_id}/{number}", self.act.round),
            kind: kind.to_owned(),
            detector: detector(kind),
            org_id,
            subject: truth.subject,
            from: truth.from,
            to: truth.to,
            expected: truth.expected,
            evidence: truth.evidence,
            why: truth.why,
        });
    }
}

/// What only the scenario knows of a truth.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) org: usize,
    pub(crate) expected: Expected,
    pub(crate) subject: BTreeMap<String, String>,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
    pub(crate) evidence: Vec<String>,
    pub(crate) why: String,
}
