//! Calls to hosts that an agent never called: of an agent that was told where to send what it knows, and of a whole org
//! that takes up a new tool.

use credwatch_schemas::time::{MINUTE, SECOND};

use crate::profile::Profile;
use crate::scenario::Stage;
use crate::scenario::stage::Told;
use crate::truth::{Expected, subject};

const STEADY: [Profile; 6] = [
    Profile::CronReporter,
    Profile::BackgroundSync,
    Profile::InteractiveSupport,
    Profile::CiRunner,
    Profile::CodingAgent,
    Profile::QuarterlyJob,
];

/// A steady agent uploads to a host that nobody in the org ever called: a name, a bare address, the metadata service.
pub(crate) fn unheard_of(stage: &mut Stage<'_>) {
    let org = stage.act.org;
    let Some(actor) = stage.cast(org, &STEADY, |_| true) else { return };
    let number = stage.chance.bits() >> 48;
    let host = match stage.act.round % 3 {
        0 => format!("drop-{number:04x}.example"),
        1 => format!("203.0.113.{}", number % 250 + 1),
        _ => format!("paste-{number:04x}.example"),
    };
    let (start, calls) = (stage.act.start, stage.chance.between(2, 5));
    let mut evidence = Vec::new();
    for call in 0..calls {
        let sent = stage.chance.between(200_000, 900_000);
        let id = stage.fetch(actor.who, start.plus(call * 20 * SECOND), &host, |event| {
            event.method = Some("POST".to_owned());
            event.path = Some("/upload".to_owned());
            event.operation = Some("http.post".to_owned());
            event.bytes_out = Some(sent);
            event.bytes_in = Some(12);
        });
        evidence.push(id);
    }
    let agent_id = stage.agent(actor).id.clone();
    stage.tell(Told {
        org,
        expected: Expected::Must,
        subject: subject([("agent_id", &agent_id), ("dest_host", &host)]),
        from: start,
        to: start.plus(calls * 20 * SECOND),
        evidence,
        why: format!("{agent_id} uploads to {host}, which nobody in the org ever called."),
    });
}

/// The org rolls out a tool: one agent after another calls its host. For the first few it is news; then it is common.
pub(crate) fn common(stage: &mut Stage<'_>) {
    let (org, start) = (stage.act.org, stage.act.start);
    let plan = stage.world().plan;
    let agents: Vec<_> =
        stage.world().orgs[org].agents.iter().filter(|agent| agent.is_settled(&plan)).map(|agent| agent.who).collect();
    if agents.len() < 7 {
        return;
    }
    let host = format!("assistant-{}.{}.example", stage.act.round + 1, stage.world().orgs[org].label);
    // A host counts as common when five of the others use it, and three in ten of them.
    let first_users = (agents.len() * 3).div_ceil(10).max(5);
    for (place, who) in agents.iter().enumerate() {
        let time = start.plus(place as i64 * 2 * MINUTE);
        let evidence =
            vec![stage.fetch(*who, time, &host, |_| {}), stage.fetch(*who, time.plus(MINUTE), &host, |_| {})];
        let agent_id = stage.world().agent(*who).id.clone();
        stage.tell(Told {
            org,
            expected: if place < first_users { Expected::May } else { Expected::MustNot },
            subject: subject([("agent_id", &agent_id), ("dest_host", &host)]),
            from: time,
            to: time.plus(MINUTE),
            evidence,
            why: format!("{agent_id} takes up {host} as user number {} of {}.", place + 1, agents.len()),
        });
    }
}
