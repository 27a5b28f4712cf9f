//! From a sketch to the event that a broker would write about it.
//!
//! What a sketch leaves open (how long a call took, from which address it came) follows from the event's own key, so that
//! an event is the same however often and in which order it is told.

use credwatch_schemas::event::{Event, Step};
use credwatch_schemas::time::{MINUTE, Micros};

use crate::chance::{Of, mixed};
use crate::provider::Operation;
use crate::sketch::{Call, Sketch, Target, What, Who};
use crate::world::{Agent, Connection, Org, World, restart};

/// Where and when an event happens, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) time: Micros,
    pub(crate) who: Who,
    pub(crate) key: u64,
}

/// One call in so many shows the broker's pipeline; written out for all it would be a fifth of the traffic.
const TRACED: u64 = 50;

/// An org's own service is asked for pages.
static FETCH: Operation = Operation { name: "http.fetch", method: "GET", path: "/{path}", scope: "" };

pub(crate) fn event(world: &World, sketch: Sketch) -> Event {
    let moment = Moment { time: sketch.time, who: sketch.who, key: sketch.key };
    match sketch.what {
        What::Call(call) => self::call(world, moment, &call),
        What::Refresh { connection, trigger } => refresh(world, moment, connection, trigger),
        What::Deploy => deploy(world, moment),
        What::Probe { replica } => probe(world, moment, replica),
        What::Scripted(event) => *event,
    }
}

/// One attempt of a call of a tool.
pub(crate) fn call(world: &World, moment: Moment, call: &Call) -> Event {
    let (org, agent) = actor(world, moment.who);
    let bits = moment.bits(world);
    let mut event = agent_event(world, moment, "tool_call");
    let operation = match call.target {
        Target::Connection(place) => {
            let connection = &agent.connections[place];
            credential(&mut event, org, connection, moment.time);
            event.token_expires_at = connection.tokens.at(moment.time).expires;
            let operation = &connection.provider.operations[call.operation];
            event.scope_used = Some(operation.scope.to_owned());
            event.target_org_id = Some(org.id.clone());
            event.dest_host = Some(connection.host.clone());
            operation
        }
        Target::Own(place) => {
            event.dest_host = Some(agent.own_hosts[place].clone());
            &FETCH
        }
        Target::Site(rank) => {
            event.dest_host = Some(site(rank));
            &FETCH
        }
    };
    event.trace_id = Some(format!("{:016x}{:016x}", call.trace, mixed(call.trace, Of::Call, &[])));
    event.method = Some(operation.method.to_owned());
    event.path = Some(operation.path.to_owned());
    event.operation = Some(operation.name.to_owned());
    answer(&mut event, call, bits);
    event.prompt_id = Some(agent.name.to_owned());
    event.prompt_version = Some(format!("2.{}.0", org.release(moment.time)));
    event.steps = bits.is_multiple_of(TRACED).then(|| steps(&event));
    event
}

/// Something that concerns a connection and is no call: a revocation, a request to authorise again.
pub(crate) fn notice(world: &World, moment: Moment, connection: usize, kind: &str) -> Event {
    let (org, agent) = actor(world, moment.who);
    let mut event = agent_event(world, moment, kind);
    let connection = &agent.connections[connection];
    credential(&mut event, org, connection, moment.time);
    event.credential_id = Some(connection.credential_id.clone());
    event.owner_id = Some(connection.owner_id.clone());
    event.account_id = Some(connection.account_id.clone());
    event.outcome = Some("success".to_owned());
    event
}

fn refresh(world: &World, moment: Moment, place: usize, trigger: &str) -> Event {
    let mut event = notice(world, moment, place, "token_refresh");
    let tokens = &world.agent(moment.who).connections[place].tokens;
    let token = tokens.at(moment.time);
    event.refresh_token_fp = Some(tokens.refresh_fingerprint(token.number));
    event.token_family = Some(tokens.family());
    event.rotation_no = Some(token.number);
    event.token_issued_at = Some(token.issued);
    event.token_expires_at = token.expires;
    event.refresh_trigger = Some(trigger.to_owned());
    event.status = Some(200);
    event.duration_ms = Some(60 + (moment.bits(world) % 200).cast_signed());
    event
}

fn deploy(world: &World, moment: Moment) -> Event {
    let mut event = agent_event(world, moment, "deploy");
    event.outcome = Some("success".to_owned());
    event.replica_id = None;
    event.agent_version = Some(version(world, moment));
    event
}

fn probe(world: &World, moment: Moment, replica: u64) -> Event {
    let mut event = agent_event(world, moment, "startup_probe");
    event.outcome = Some("success".to_owned());
    event.replica_id = Some(replica_id(world, moment.who, moment.time, replica));
    event.agent_version = Some(version(world, moment));
    event
}

fn version(world: &World, moment: Moment) -> String {
    format!("1.{}.0", world.orgs[moment.who.org].release(moment.time))
}

impl Moment {
    fn bits(self, world: &World) -> u64 {
        mixed(world.plan.seed, Of::Call, &self.path())
    }

    fn path(self) -> [u64; 3] {
        [self.who.org as u64, self.who.agent as u64, self.key]
    }

    /// A ULID: 48 bits of milliseconds and 80 bits that belong to this event alone.
    pub(crate) fn event_id(self, world: &World) -> String {
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let [org, agent, key] = self.path();
        let high = mixed(world.plan.seed, Of::Id, &[org, agent, key, 0]) & 0xffff;
        let low = mixed(world.plan.seed, Of::Id, &[org, agent, key, 1]);
        let millis = self.time.0.div_euclid(1_000).cast_unsigned();
        let number = u128::from(millis) << 80 | u128::from(high) << 64 | u128::from(low);
        (0..26).rev().map(|place| char::from(LETTERS[(number >> (5 * place) & 31) as usize])).collect()
    }
}

fn actor(world: &World, who: Who) -> (&Org, &Agent) {
    (&world.orgs[who.org], world.agent(who))
}

/// What every event of an agent says.
fn agent_event(world: &World, moment: Moment, kind: &str) -> Event {
    let (org, agent) = actor(world, moment.who);
    let habits = agent.habits();
    let bits = moment.bits(world);
    Event {
        event_id: Some(moment.event_id(world)),
        time: Some(moment.time),
        kind: Some(kind.to_owned()),
        source: Some(org.source.to_owned()),
        task_id: Some(task_id(world, moment)),
        org_id: Some(org.id.clone()),
        user_id: Some(agent.user_id.clone()),
        agent_id: Some(agent.id.clone()),
        replica_id: Some(replica_id(world, moment.who, moment.time, bits % habits.replicas)),
        src_ip: Some(format!(
            "10.{}.{}.{}",
            moment.who.org % 250 + 1,
            moment.who.agent % 250 + 1,
            bits % habits.replicas + 10
        )),
        environment: Some(habits.environment.to_owned()),
        ..Event::default()
    }
}

/// An agent works on one task for ten minutes.
fn task_id(world: &World, moment: Moment) -> String {
    let slot = moment.time.0.div_euclid(10 * MINUTE).cast_unsigned();
    let [org, agent, _] = moment.path();
    format!("t_{:012x}", mixed(world.plan.seed, Of::Agent, &[org, agent, slot]) >> 16)
}

/// Replicas get new names when they restart.
fn replica_id(world: &World, who: Who, time: Micros, replica: u64) -> String {
    let (org, agent) = actor(world, who);
    let restarts = org.deploys.partition_point(|deploy| restart(*deploy, who).plus(-10_000_000) <= time) as u64;
    let name = mixed(world.plan.seed, Of::Agent, &[who.org as u64, who.agent as u64, restarts, replica]);
    format!("{}-{:05x}-{replica}", agent.id, name >> 44)
}

fn credential(event: &mut Event, org: &Org, connection: &Connection, time: Micros) {
    let token = connection.tokens.at(time);
    event.connection_id = Some(connection.id.clone());
    event.credential_class = Some(connection.class.to_owned());
    event.credential_org_id = Some(org.id.clone());
    event.owner_kind = Some(connection.owner_kind.to_owned());
    event.token_fp = Some(connection.tokens.fingerprint(token.number));
    event.scopes_granted = Some(connection.scopes.clone());
    event.provider = Some(connection.provider.name.to_owned());
}

fn answer(event: &mut Event, call: &Call, bits: u64) {
    let answer = call.answer;
    event.outcome = Some(if answer.is_success() { "success" } else { "failure" }.to_owned());
    event.status = answer.status;
    event.error_code = answer.code.map(str::to_owned);
    event.retry_after_ms = answer.retry_after_ms;
    event.attempt = Some(call.attempt);
    // Answers take 20 to 1,500 ms, short ones more often; nobody waits longer than 30 s.
    let waited = (20 + bits % 60) << (bits >> 8 & 3) << (bits >> 16 & 1);
    event.duration_ms = Some(if answer.status.is_some() { waited.cast_signed() } else { 30_000 });
    event.bytes_out = Some(200 + (bits >> 24 & 0x7ff).cast_signed());
    event.bytes_in = answer.is_success().then(|| 400 + (bits >> 40 & 0x3fff).cast_signed());
}

/// The broker's pipeline, as it ran.
pub(crate) fn steps(event: &Event) -> Vec<Step> {
    let step = |name: &str, outcome: &str| Step {
        name: Some(name.to_owned()),
        outcome: Some(outcome.to_owned()),
        ..Step::default()
    };
    let resolved = Step {
        org_id: event.credential_org_id.clone(),
        connection_id: event.connection_id.clone(),
        ..step("tenant_resolution", "success")
    };
    vec![step("auth", "success"), resolved, step("tool_execution", event.outcome.as_deref().unwrap_or("failure"))]
}

/// A site of the open web, by its rank in popularity.
fn site(rank: u32) -> String {
    const PLACES: [&str; 20] = [
        "harbor", "valley", "summit", "meadow", "canyon", "island", "forest", "prairie", "lagoon", "glacier", "delta",
        "ridge", "orchard", "coast", "tundra", "oasis", "fjord", "plateau", "bay", "moor",
    ];
    const KINDS: [&str; 10] =
        ["news", "journal", "times", "review", "data", "market", "forum", "weekly", "index", "report"];
    let (place, rest) = (rank as usize % 20, rank as usize / 20);
    format!("{}-{}-{}.example", PLACES[place], KINDS[rest % 10], rest / 10 + 1)
}
