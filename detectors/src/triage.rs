//! What people say about a finding: a new revision that changes their fields and nothing else.
//!
//! The engine's revisions carry these fields on, so what people said outlives it; and a person who looked at an older
//! revision is told so instead of overruling what came since.

use credwatch_lake::{Change, Committed, Lake, TableName};
use credwatch_schemas::finding::{FINDINGS, Finding, Triage, Verdict};
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::Micros;
use thiserror::Error;

use crate::error::{Doing, EngineError};
use crate::standing::revisions;

/// Attempts against the engine and other people, who write findings at the same time.
const MOST_ATTEMPTS: u32 = 60;
/// A comment is a remark, not a report.
const LONGEST_COMMENT: usize = 4_000;
const LONGEST_NAME: usize = 200;

/// What somebody says; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub triage: Option<Triage>,
    pub verdict: Option<Verdict>,
    pub assignee: Option<Assignee>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignee {
    Nobody,
    Somebody(String),
}

/// What cannot be said of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsayable {
    #[error("nothing was said: give a triage, a verdict, an assignee or a comment")]
    Nothing,
    #[error("closing needs a verdict: true_positive, benign, false_positive or duplicate")]
    NoVerdict,
    #[error("a verdict is given at closing; this finding would be {0}")]
    VerdictOfOpen(Triage),
    #[error("a comment has at most {LONGEST_COMMENT} bytes, an assignee is one line of at most {LONGEST_NAME}")]
    TooLong,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Triaged {
    /// The revision that stands now; the same as before where it says so already.
    Done(Box<Finding>),
    /// There is no such finding for whoever asks.
    Unknown,
    /// Another revision stands than the one that was looked at.
    Moved {
        revision: i64,
    },
    Refused(Unsayable),
}

/// Records what `by` says about a finding; `looked_at` is the revision that they saw. Findings that `is_seen` refuses do
/// not exist for them.
pub async fn triage(
    lake: &Lake,
    id: &FindingId,
    looked_at: Option<i64>,
    said: &Said,
    by: &str,
    now: Micros,
    is_seen: impl Fn(&Finding) -> bool,
) -> Result<Triaged, EngineError> {
    for _ in 0..MOST_ATTEMPTS {
        let snapshot = lake.snapshot().await?;
        let Some(last) = revisions(&snapshot, id).await?.pop().filter(&is_seen) else { return Ok(Triaged::Unknown) };
        if looked_at.is_some_and(|revision| revision != last.revision) {
            return Ok(Triaged::Moved { revision: last.revision });
        }
        let next = match said_of(&last, said, by, now) {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(Triaged::Done(Box::new(last))),
            Err(unsayable) => return Ok(Triaged::Refused(unsayable)),
        };
        let seen = snapshot.table(&TableName::Findings).and_then(|table| table.transaction(column::SEQ));
        let change = Change {
            append: vec![rows::to_batch(&FINDINGS, std::slice::from_ref(&next)).doing("write a finding")?],
            expect: vec![(column::SEQ.to_owned(), seen)],
            ..Change::default()
        };
        if let Committed::Done { .. } = lake.commit(&TableName::Findings, change, now).await? {
            return Ok(Triaged::Done(Box::new(next)));
        }
    }
    Err(EngineError::Contention(MOST_ATTEMPTS))
}

/// The next revision; `None` where it says all of that already. Pure.
fn said_of(last: &Finding, said: &Said, by: &str, now: Micros) -> Result<Option<Finding>, Unsayable> {
    check(last, said)?;
    let mut next = last.clone();
    next.triage = said.triage.unwrap_or(last.triage);
    next.verdict = said.verdict.or(last.verdict);
    match &said.assignee {
        None => {}
        Some(Assignee::Nobody) => next.assignee = None,
        Some(Assignee::Somebody(name)) => next.assignee = Some(name.clone()),
    }
    if let Some(comment) = &said.comment {
        next.comment = Some(comment.clone());
    }
    if next == *last {
        return Ok(None);
    }
    next.revision += 1;
    next.seq = None;
    next.recorded_time = now;
    next.changed_by = by.to_owned();
    Ok(Some(next))
}

fn check(last: &Finding, said: &Said) -> Result<(), Unsayable> {
    let becomes = said.triage.unwrap_or(last.triage);
    let closes = said.triage == Some(Triage::Closed) && last.triage != Triage::Closed;
    let is_long = |text: &str, most| text.len() > most;
    let name_is_odd =
        |name: &String| name.trim().is_empty() || is_long(name, LONGEST_NAME) || name.contains(char::is_control);
    match said {
        _ if *said == Said::default() => Err(Unsayable::Nothing),
        Said { verdict: Some(_), .. } if becomes != Triage::Closed => Err(Unsayable::VerdictOfOpen(becomes)),
        Said { verdict: None, .. } if closes => Err(Unsayable::NoVerdict),
        Said { comment: Some(comment), .. } if is_long(comment, LONGEST_COMMENT) => Err(Unsayable::TooLong),
        Said { assignee: Some(Assignee::Somebody(name)), .. } if name_is_odd(name) => Err(Unsayable::TooLong),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use credwatch_lake::Access;
    use credwatch_schemas::ids::DetectorId;

    use super::*;
    use crate::reconcile::tests::finding as finding_about;

    fn finding() -> Finding {
        finding_about("h", 5, 1)
    }

    fn close(verdict: Option<Verdict>) -> Said {
        Said { triage: Some(Triage::Closed), verdict, ..Said::default() }
    }

    fn next(last: &Finding, said: &Said) -> Finding {
        said_of(last, said, "key:ana", Micros(9)).unwrap().unwrap()
    }

    #[test]
    fn a_revision_of_a_person_changes_their_fields_and_nothing_else() {
        let last = finding();
        let said = Said {
            comment: Some("known job".into()),
            assignee: Some(Assignee::Somebody("ana".into())),
            ..close(Some(Verdict::Benign))
        };
        let next = next(&last, &said);
        let expected = Finding {
            revision: last.revision + 1,
            seq: None,
            recorded_time: Micros(9),
            changed_by: "key:ana".into(),
            triage: Triage::Closed,
            verdict: Some(Verdict::Benign),
            assignee: Some("ana".into()),
            comment: Some("known job".into()),
            ..last
        };
        assert_eq!(next, expected);
        assert_eq!(said_of(&expected, &said, "key:bo", Micros(10)), Ok(None), "it says so already");
    }

    #[test]
    fn a_verdict_comes_with_closing_and_closing_with_a_verdict() {
        let open = finding();
        assert_eq!(said_of(&open, &close(None), "a", Micros(9)), Err(Unsayable::NoVerdict));
        let verdict = Said { verdict: Some(Verdict::Benign), ..Said::default() };
        assert_eq!(said_of(&open, &verdict, "a", Micros(9)), Err(Unsayable::VerdictOfOpen(Triage::New)));
        let closed = next(&open, &close(Some(Verdict::Benign)));
        let corrected = Said { verdict: Some(Verdict::FalsePositive), ..Said::default() };
        assert_eq!(next(&closed, &corrected).verdict, Some(Verdict::FalsePositive));
    }

    #[test]
    fn what_is_not_said_stays() {
        let said = Said { assignee: Some(Assignee::Somebody("ana".into())), ..Said::default() };
        let assigned = next(&finding(), &said);
        let acknowledged = next(&assigned, &Said { triage: Some(Triage::Acknowledged), ..Said::default() });
        assert_eq!(acknowledged.assignee.as_deref(), Some("ana"));
        let nobody = next(&acknowledged, &Said { assignee: Some(Assignee::Nobody), ..Said::default() });
        assert_eq!((nobody.assignee, nobody.triage), (None, Triage::Acknowledged));
        assert_eq!(said_of(&finding(), &Said::default(), "a", Micros(9)), Err(Unsayable::Nothing));
    }

    #[test]
    fn what_is_endless_is_refused() {
        for said in [
            Said { comment: Some("x".repeat(LONGEST_COMMENT + 1)), ..Said::default() },
            Said { assignee: Some(Assignee::Somebody(" ".into())), ..Said::default() },
            Said { assignee: Some(Assignee::Somebody("a\nb".into())), ..Said::default() },
        ] {
            assert_eq!(said_of(&finding(), &said, "a", Micros(9)), Err(Unsayable::TooLong));
        }
    }

    async fn lake_with(findings: &[Finding]) -> (tempfile::TempDir, Lake) {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap();
        let append = vec![rows::to_batch(&FINDINGS, findings).unwrap()];
        let change = Change { append, ..Change::default() };
        assert!(matches!(lake.commit(&TableName::Findings, change, Micros(1)).await.unwrap(), Committed::Done { .. }));
        (folder, lake)
    }

    #[tokio::test]
    async fn who_looked_at_an_older_revision_is_told_and_overrules_nobody() {
        let first = finding();
        let (_folder, lake) = lake_with(std::slice::from_ref(&first)).await;
        let (id, said) = (&first.finding_id, Said { triage: Some(Triage::Acknowledged), ..Said::default() });
        let done = triage(&lake, id, Some(1), &said, "a", Micros(5), |_| true).await.unwrap();
        assert!(matches!(done, Triaged::Done(finding) if finding.revision == 2));
        let late = triage(&lake, id, Some(1), &close(Some(Verdict::Benign)), "b", Micros(6), |_| true).await.unwrap();
        assert_eq!(late, Triaged::Moved { revision: 2 });
        assert_eq!(revisions(&lake.snapshot().await.unwrap(), id).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_somebody_may_not_see_does_not_exist_for_them() {
        let first = Finding { detector_id: DetectorId::new("d"), ..finding() };
        let (_folder, lake) = lake_with(std::slice::from_ref(&first)).await;
        let said = Said { triage: Some(Triage::Acknowledged), ..Said::default() };
        let hidden = triage(&lake, &first.finding_id, None, &said, "a", Micros(5), |_| false).await.unwrap();
        assert_eq!(hidden, Triaged::Unknown);
    }

    #[tokio::test]
    async fn two_people_at_once_both_are_heard() {
        let first = finding();
        let (_folder, lake) = lake_with(std::slice::from_ref(&first)).await;
        let say = |name: &str| Said { comment: Some(name.to_owned()), ..Said::default() };
        let (one, two) = (say("one"), say("two"));
        let (one, two) = tokio::join!(
            triage(&lake, &first.finding_id, None, &one, "a", Micros(5), |_| true),
            triage(&lake, &first.finding_id, None, &two, "b", Micros(5), |_| true)
        );
        assert!(matches!((one.unwrap(), two.unwrap()), (Triaged::Done(_), Triaged::Done(_))));
        let all = revisions(&lake.snapshot().await.unwrap(), &first.finding_id).await.unwrap();
        assert_eq!(all.iter().map(|finding| finding.revision).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
