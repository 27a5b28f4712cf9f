//! An agent whose calls to one host suddenly fail, while everybody else's succeed.

use credwatch_schemas::time::{MINUTE, SECOND};

use crate::profile::Profile;
use crate::scenario::Stage;
use crate::scenario::stage::Told;
use crate::sketch::Answer;
use crate::truth::{Expected, subject};

const BUSY: [Profile; 6] = [
    Profile::BackgroundSync,
    Profile::InteractiveSupport,
    Profile::CronReporter,
    Profile::CodingAgent,
    Profile::CiRunner,
    Profile::WebResearcher,
];

/// A call every six seconds for a quarter of an hour, seven in ten of which fail.
pub(crate) fn spike(stage: &mut Stage<'_>) {
    const CALLS: i64 = 150;
    let (org, start) = (stage.act.org, stage.act.start);
    let Some(actor) = stage.cast(org, &BUSY, |_| true) else { return };
    let end = start.plus(CALLS * 6 * SECOND);
    let mut evidence = Vec::new();
    for call in 0..CALLS {
        let time = start.plus(call * 6 * SECOND + stage.chance.between(0, SECOND));
        let fails = stage.chance.happens(0.7);
        let answer = if fails { *stage.chance.pick(&FAILURES) } else { Answer::OK };
        let id = stage.call(actor, time, answer, 1, |_| {});
        evidence.extend(fails.then_some(id));
    }
    stage.silence(actor, start, end);
    let (agent_id, connection) = (stage.agent(actor).id.clone(), stage.connection(actor));
    let subject =
        subject([("agent_id", &agent_id), ("connection_id", &connection.id), ("dest_host", &connection.host)]);
    let why = format!(
        "Seven in ten calls of {agent_id} to {} fail for {} minutes.",
        connection.host,
        CALLS * 6 * SECOND / MINUTE
    );
    stage.tell(Told { org, expected: Expected::Must, subject, from: start, to: end, evidence, why });
}

const FAILURES: [Answer; 3] =
    [Answer::failed(500, "internal_error"), Answer::failed(422, "invalid_request"), Answer::failed(404, "not_found")];
