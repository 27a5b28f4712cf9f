//! A token that ends. Retried for ever it is a storm; halted and authorised again, or merely expired, it is daily life.

use credwatch_schemas::time::{MINUTE, Micros, SECOND};

use crate::profile::Profile;
use crate::scenario::Stage;
use crate::scenario::stage::{Actor, Told};
use crate::sketch::Answer;
use crate::truth::{Expected, subject};

const BUSY: [Profile; 6] = [
    Profile::CronReporter,
    Profile::BackgroundSync,
    Profile::InteractiveSupport,
    Profile::WebResearcher,
    Profile::CodingAgent,
    Profile::CiRunner,
];

/// The agent goes on with a revoked token: announced, with refusals that turn into 403 and a rate limit; or unannounced,
/// one retry a second.
pub(crate) fn storm(stage: &mut Stage<'_>) {
    let Some((actor, code)) = revocable(stage) else { return };
    let start = stage.act.start;
    let announced = stage.act.round % 2 == 1;
    let (first, spacing, calls) = if announced { (35, 3, 18) } else { (0, 1, 12) };
    if announced {
        stage.notice(actor, start, "token_revocation");
    }
    let time = |call: i64| start.plus((first + call * spacing) * SECOND);
    let evidence = (0..calls).map(|call| {
        let attempt = i32::try_from(call + 1).unwrap_or(i32::MAX);
        stage.call(actor, time(call), refusal(code, call, announced), attempt, |_| {})
    });
    let evidence = evidence.collect();
    let halted = time(calls).plus(2 * MINUTE);
    reauthorise(stage, actor, halted);
    stage.silence(actor, start, halted.plus(5 * MINUTE));
    tell(stage, actor, Expected::Must, (start, time(calls)), evidence, "retries a revoked token again and again");
}

fn refusal(code: &'static str, call: i64, escalates: bool) -> Answer {
    match call {
        8..12 if escalates => Answer::failed(403, "forbidden"),
        12.. if escalates => Answer::throttled(30_000),
        _ => Answer::failed(401, code),
    }
}

/// One call in flight, one safe retry, then silence until somebody authorises the connection again.
pub(crate) fn halted(stage: &mut Stage<'_>) {
    let Some((actor, code)) = revocable(stage) else { return };
    let start = stage.act.start;
    let revoked = stage.notice(actor, start, "token_revocation");
    let in_flight = stage.call(actor, start.plus(5 * SECOND), Answer::failed(401, code), 1, |_| {});
    let retry = stage.call(actor, start.plus(40 * SECOND), Answer::failed(401, code), 2, |_| {});
    let asked = start.plus(41 * SECOND);
    reauthorise(stage, actor, asked);
    stage.silence(actor, start, asked.plus(5 * MINUTE));
    let evidence = vec![revoked, in_flight, retry];
    tell(
        stage,
        actor,
        Expected::MustNot,
        (start, asked.plus(5 * MINUTE)),
        evidence,
        "stops after one retry of a revoked token",
    );
}

/// Six calls at once meet an expired token; one refresh, and all six succeed.
pub(crate) fn expiry(stage: &mut Stage<'_>) {
    let org = stage.act.org;
    let Some(actor) = stage.cast(org, &BUSY, |connection| connection.provider.token_life.is_some()) else { return };
    let start = stage.act.start;
    let code = stage.connection(actor).provider.expired;
    let time = |call: i64| start.plus(call * SECOND / 4);
    let mut evidence: Vec<_> =
        (0..6).map(|call| stage.call(actor, time(call), Answer::failed(401, code), 1, |_| {})).collect();
    let fresh = start.plus(3 * SECOND);
    stage.refresh(actor, fresh);
    evidence.extend((0..6).map(|call| stage.call(actor, time(call).plus(4 * SECOND), Answer::OK, 2, |_| {})));
    stage.silence(actor, start, start.plus(10 * SECOND));
    tell(
        stage,
        actor,
        Expected::MustNot,
        (start, start.plus(10 * SECOND)),
        evidence,
        "meets an expired token and refreshes it",
    );
}

/// An actor whose provider says so when a token was revoked, and the code it says it with.
fn revocable(stage: &mut Stage<'_>) -> Option<(Actor, &'static str)> {
    let org = stage.act.org;
    let actor = stage.cast(org, &BUSY, |connection| connection.provider.revoked.is_some())?;
    stage.connection(actor).provider.revoked.map(|code| (actor, code))
}

/// Asked now, done four minutes later, and the next call succeeds.
fn reauthorise(stage: &mut Stage<'_>, actor: Actor, asked: Micros) {
    stage.notice(actor, asked, "reauth_requested");
    let done = asked.plus(4 * MINUTE);
    stage.renew(actor, done);
    stage.notice(actor, done, "reauth_completed");
    stage.call(actor, done.plus(5 * SECOND), Answer::OK, 1, |_| {});
}

fn tell(
    stage: &mut Stage<'_>,
    actor: Actor,
    expected: Expected,
    span: (Micros, Micros),
    evidence: Vec<String>,
    what: &str,
) {
    let (agent_id, connection) = (stage.agent(actor).id.clone(), stage.connection(actor));
    let subject =
        subject([("agent_id", &agent_id), ("connection_id", &connection.id), ("dest_host", &connection.host)]);
    let why = format!("{agent_id} {what} of {}.", connection.provider.name);
    stage.tell(Told { org: actor.who.org, expected, subject, from: span.0, to: span.1, evidence, why });
}
