//! One token, or one task, at work in two orgs.

use credwatch_schemas::time::{MINUTE, SECOND};

use crate::profile::Profile;
use crate::scenario::Stage;
use crate::scenario::stage::{Actor, Told};
use crate::sketch::Answer;
use crate::truth::{Expected, subject};

const ANYBODY: [Profile; 6] = [
    Profile::BackgroundSync,
    Profile::InteractiveSupport,
    Profile::CronReporter,
    Profile::CodingAgent,
    Profile::CiRunner,
    Profile::WebResearcher,
];

/// Needs two orgs; both are told.
pub(crate) fn reuse(stage: &mut Stage<'_>) {
    let (org, start) = (stage.act.org, stage.act.start);
    let other = (org + 1) % stage.world().orgs.len();
    if other == org {
        return;
    }
    let Some(owner) = stage.cast(org, &ANYBODY, |_| true) else { return };
    let provider = stage.connection(owner).provider.name;
    let same = stage.cast(other, &ANYBODY, |connection| connection.provider.name == provider);
    let Some(borrower) = same.or_else(|| stage.cast(other, &ANYBODY, |_| true)) else { return };
    let shared = shared(stage, owner);
    for (actor, place) in [(owner, 0), (borrower, 1)] {
        let first = start.plus(place * 90 * SECOND);
        let times = [first, first.plus(30 * SECOND), first.plus(MINUTE)];
        let evidence = times.map(|time| {
            stage.call(actor, time, Answer::OK, 1, |event| match &shared {
                Shared::Token(token) => event.token_fp = Some(token.clone()),
                Shared::Task(task) => event.task_id = Some(task.clone()),
            })
        });
        let (column, value) = shared.column();
        stage.tell(Told {
            org: actor.who.org,
            expected: Expected::Must,
            subject: subject([(column, value)]),
            from: start,
            to: start.plus(3 * MINUTE),
            evidence: evidence.into(),
            why: format!("{value} is at work in two orgs within minutes."),
        });
    }
}

enum Shared {
    Token(String),
    Task(String),
}

impl Shared {
    fn column(&self) -> (&'static str, &str) {
        match self {
            Self::Token(value) => ("token_fp", value),
            Self::Task(value) => ("task_id", value),
        }
    }
}

fn shared(stage: &mut Stage<'_>, owner: Actor) -> Shared {
    if stage.act.round % 2 == 1 {
        return Shared::Task(format!("t_{:012x}", stage.chance.bits() >> 16));
    }
    let tokens = &stage.connection(owner).tokens;
    Shared::Token(tokens.fingerprint(tokens.at(stage.act.start).number))
}
