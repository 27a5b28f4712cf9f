//! A lookup without an org filter: the call is one org's, the data another's, and the answer is 200.

use credwatch_schemas::event::Event;
use credwatch_schemas::time::SECOND;

use crate::profile::Profile;
use crate::scenario::Stage;
use crate::scenario::stage::Told;
use crate::sketch::Answer;
use crate::telling;
use crate::truth::{Expected, subject};

const ASKED: [Profile; 6] = [
    Profile::InteractiveSupport,
    Profile::BackgroundSync,
    Profile::CronReporter,
    Profile::CodingAgent,
    Profile::CiRunner,
    Profile::WebResearcher,
];

pub(crate) fn lookup(stage: &mut Stage<'_>) {
    let (org, start, round) = (stage.act.org, stage.act.start, stage.act.round);
    let Some(actor) = stage.cast(org, &ASKED, |_| true) else { return };
    let other = stage.other_org();
    let calls = stage.chance.between(1, 4);
    let evidence = (0..calls)
        .map(|call| stage.call(actor, start.plus(call * SECOND), Answer::OK, 1, |event| stray(event, round, &other)))
        .collect();
    let (agent_id, connection_id) = (stage.agent(actor).id.clone(), stage.connection(actor).id.clone());
    stage.tell(Told {
        org,
        expected: Expected::Must,
        subject: subject([("agent_id", &agent_id), ("connection_id", &connection_id)]),
        from: start,
        to: start.plus(calls * SECOND),
        evidence,
        why: format!("{agent_id} works for its own org and is answered with data of {other}."),
    });
}

/// The data belongs to the other org, or the credential does, or the pipeline resolved to it on the way.
fn stray(event: &mut Event, round: u64, other: &str) {
    let other = Some(other.to_owned());
    match round % 3 {
        0 => event.target_org_id = other,
        1 => event.credential_org_id = other,
        _ => {
            let mut steps = telling::steps(event);
            steps.iter_mut().filter(|step| step.org_id.is_some()).for_each(|step| step.org_id.clone_from(&other));
            event.steps = Some(steps);
        }
    }
}
