//! Claims against what stands: which revisions must be written so that the findings say what the claims say.
//!
//! Pure. A rerun writes nothing. What is not claimed any more is withdrawn, what is claimed again returns, and people's
//! fields (triage, verdict, assignee, comment) outlive both. Only findings inside the scope may be withdrawn: outside of
//! it the claims say nothing.

use std::collections::BTreeMap;

use credwatch_schemas::finding::{Finding, Status, Triage};
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::time::Micros;

/// The moment at which a reconciliation happens.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Event time up to which everything is taken to have arrived; `None`: nobody can say.
    pub settled: Option<Micros>,
    /// How long after `raised_time` events may still change a claim.
    pub window: i64,
    pub data_seq: i64,
    pub now: Micros,
}

pub type Findings = BTreeMap<FindingId, Finding>;

/// The revisions to write, ordered by event time and id.
///
/// `current` holds the last revision of every finding of the detector; `claimed` what the judgement claims, and
/// `in_scope` whether the judgement could have claimed a finding at all.
pub fn reconcile(
    current: &Findings,
    claimed: Findings,
    in_scope: &dyn Fn(&Finding) -> bool,
    at: Moment,
) -> Vec<Finding> {
    let mut revisions: Findings = BTreeMap::new();
    for (id, stands) in current {
        if claimed.contains_key(id) {
            continue;
        }
        let gone = in_scope(stands) && stands.status != Status::Withdrawn;
        let revision = if gone { Some(withdrawn(stands, at)) } else { confirmed(stands, at) };
        revisions.extend(revision.map(|revision| (id.clone(), revision)));
    }
    for (id, mut claim) in claimed {
        claim.provisional = !is_settled(claim.raised_time, at);
        let revision = match current.get(&id) {
            None => Some(claim),
            Some(stands) => revised(stands, claim),
        };
        revisions.extend(revision.map(|revision| (id, revision)));
    }
    hand_over(&mut revisions);
    let mut ordered: Vec<Finding> = revisions.into_values().collect();
    ordered.sort_by(|a, b| (a.raised_time, &a.finding_id).cmp(&(b.raised_time, &b.finding_id)));
    ordered
}

fn is_settled(raised: Micros, at: Moment) -> bool {
    at.settled.is_some_and(|settled| raised.plus(at.window) <= settled)
}

fn withdrawn(stands: &Finding, at: Moment) -> Finding {
    Finding {
        status: Status::Withdrawn,
        status_reason: Some(format!("rows up to seq {} no longer support it", at.data_seq)),
        provisional: false,
        data_seq: at.data_seq,
        ..next(stands, at.now)
    }
}

fn confirmed(stands: &Finding, at: Moment) -> Option<Finding> {
    let confirms = stands.provisional && stands.status != Status::Withdrawn && is_settled(stands.raised_time, at);
    confirms.then(|| Finding { provisional: false, ..next(stands, at.now) })
}

fn next(stands: &Finding, now: Micros) -> Finding {
    let mut revision = stands.clone();
    revision.revision += 1;
    revision.seq = None;
    revision.recorded_time = now;
    revision.changed_by = "engine".to_owned();
    revision
}

/// `None` when the claim says nothing that does not stand already.
fn revised(stands: &Finding, claim: Finding) -> Option<Finding> {
    let returns = stands.status == Status::Withdrawn;
    if !returns && says_the_same(stands, &claim) {
        let confirms = stands.provisional && !claim.provisional;
        return confirms.then(|| Finding { provisional: false, ..next(stands, claim.recorded_time) });
    }
    let worse = claim.severity > stands.severity;
    let reopens = stands.triage == Triage::Closed && (returns || worse);
    Some(Finding {
        revision: stands.revision + 1,
        triage: if reopens { Triage::New } else { stands.triage },
        verdict: stands.verdict,
        assignee: stands.assignee.clone(),
        comment: stands.comment.clone(),
        ..claim
    })
}

/// Whether two revisions differ only in what may differ between runs, and in what people wrote.
pub fn says_the_same(one: &Finding, other: &Finding) -> bool {
    comparable(one) == comparable(other)
}

/// A finding without revision, times of recording, positions in the log and people's fields.
pub fn comparable(finding: &Finding) -> Finding {
    Finding {
        revision: 0,
        seq: None,
        recorded_time: Micros(0),
        provisional: false,
        data_seq: 0,
        sql: String::new(),
        triage: Triage::New,
        verdict: None,
        assignee: None,
        comment: None,
        changed_by: String::new(),
        ..finding.clone()
    }
}

/// A finding that is withdrawn while another about the same thing begins was moved, not refuted: it names its successor,
/// which inherits what people wrote.
fn hand_over(revisions: &mut Findings) {
    let moved: Vec<FindingId> = ids_where(revisions, |one| one.status == Status::Withdrawn);
    for id in moved {
        let Some(old) = revisions.get(&id).cloned() else { continue };
        let Some(successor) = successor_of(&old, revisions) else { continue };
        if let Some(new) = revisions.get_mut(&successor) {
            new.triage = old.triage;
            new.verdict = old.verdict;
            new.assignee.clone_from(&old.assignee);
            new.comment.clone_from(&old.comment);
        }
        if let Some(old) = revisions.get_mut(&id) {
            old.replaced_by = Some(successor);
        }
    }
}

fn ids_where(revisions: &Findings, holds: impl Fn(&Finding) -> bool) -> Vec<FindingId> {
    revisions.values().filter(|finding| holds(finding)).map(|finding| finding.finding_id.clone()).collect()
}

/// The new finding about the same thing that lies nearest in time.
fn successor_of(old: &Finding, revisions: &Findings) -> Option<FindingId> {
    let about_the_same = |new: &&Finding| new.revision == 1 && new.org_id == old.org_id && new.subject == old.subject;
    let distance = |new: &&Finding| (new.raised_time.0.abs_diff(old.raised_time.0), new.finding_id.clone());
    revisions.values().filter(about_the_same).min_by_key(distance).map(|new| new.finding_id.clone())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use credwatch_schemas::finding::{EXAMPLE, Severity, Subject, Verdict};
    use credwatch_schemas::ids::{DetectorId, OrgId};
    use proptest::prelude::*;

    pub(crate) fn finding(host: &str, episode: i64, count: i64) -> Finding {
        let example: Finding = serde_json::from_str(EXAMPLE).unwrap();
        let (detector_id, org) = (DetectorId::new("d"), OrgId::new("org_a"));
        let subject = Subject::from([("dest_host".to_owned(), host.to_owned())]);
        Finding {
            finding_id: FindingId::of(&detector_id, Some(&org), &subject, &episode.to_string()),
            seq: None,
            detector_id,
            org_id: Some(org),
            subject,
            episode: episode.to_string(),
            summary: format!("{count} calls"),
            severity: Severity::Medium,
            first_time: Micros(episode),
            last_time: Micros(episode),
            raised_time: Micros(episode),
            recorded_time: Micros(0),
            event_count: count,
            data_seq: 1,
            ..example
        }
    }

    fn all(findings: impl IntoIterator<Item = Finding>) -> Findings {
        findings.into_iter().map(|finding| (finding.finding_id.clone(), finding)).collect()
    }

    fn at(settled: i64) -> Moment {
        Moment { settled: Some(Micros(settled)), window: 0, data_seq: 2, now: Micros(9) }
    }

    fn apply(current: &mut Findings, revisions: Vec<Finding>) {
        for revision in revisions {
            let expected = current.get(&revision.finding_id).map_or(1, |stands| stands.revision + 1);
            assert_eq!(revision.revision, expected);
            current.insert(revision.finding_id.clone(), revision);
        }
    }

    fn standing(current: &Findings) -> Vec<Finding> {
        current.values().filter(|one| one.status != Status::Withdrawn).map(comparable).collect()
    }

    #[test]
    fn what_is_not_claimed_any_more_is_withdrawn_and_keeps_what_people_wrote() {
        let mut stands = finding("h", 5, 1);
        stands.triage = Triage::Acknowledged;
        stands.comment = Some("mine".into());
        let revisions = reconcile(&all([stands]), Findings::new(), &|_| true, at(0));
        assert_eq!(revisions[0].status, Status::Withdrawn);
        assert_eq!(revisions[0].revision, 2);
        assert_eq!(revisions[0].triage, Triage::Acknowledged);
        assert_eq!(revisions[0].comment.as_deref(), Some("mine"));
    }

    #[test]
    fn what_lies_outside_the_scope_stands() {
        assert_eq!(reconcile(&all([finding("h", 5, 1)]), Findings::new(), &|_| false, at(0)), []);
    }

    #[test]
    fn a_withdrawn_finding_returns_and_a_closed_one_is_new_again() {
        let mut current = all([finding("h", 5, 1)]);
        let revisions = reconcile(&current, Findings::new(), &|_| true, at(0));
        apply(&mut current, revisions);
        for stands in current.values_mut() {
            stands.triage = Triage::Closed;
            stands.verdict = Some(Verdict::FalsePositive);
        }
        let revisions = reconcile(&current, all([finding("h", 5, 1)]), &|_| true, at(0));
        assert_eq!((revisions[0].revision, revisions[0].status, revisions[0].triage), (3, Status::Open, Triage::New));
        assert_eq!(revisions[0].verdict, Some(Verdict::FalsePositive));
    }

    #[test]
    fn a_closed_finding_opens_again_only_when_it_gets_worse() {
        let mut closed = finding("h", 5, 1);
        closed.triage = Triage::Closed;
        let more = reconcile(&all([closed.clone()]), all([finding("h", 5, 2)]), &|_| true, at(0));
        assert_eq!(more[0].triage, Triage::Closed);
        let mut worse = finding("h", 5, 2);
        worse.severity = Severity::High;
        let worse = reconcile(&all([closed]), all([worse]), &|_| true, at(0));
        assert_eq!(worse[0].triage, Triage::New);
    }

    #[test]
    fn a_moved_episode_names_its_successor_which_inherits() {
        let mut old = finding("h", 5, 1);
        old.assignee = Some("ana".into());
        let other = finding("g", 4, 1);
        let revisions = reconcile(&all([old]), all([finding("h", 4, 1), other]), &|_| true, at(0));
        let old = revisions.iter().find(|one| one.status == Status::Withdrawn).unwrap();
        let new = revisions.iter().find(|one| Some(&one.finding_id) == old.replaced_by.as_ref()).unwrap();
        assert_eq!(new.subject["dest_host"], "h");
        assert_eq!(new.assignee.as_deref(), Some("ana"));
    }

    #[test]
    fn a_provisional_finding_is_confirmed_when_the_watermark_passes() {
        let current = all([finding("h", 5, 1)]);
        assert_eq!(reconcile(&current, Findings::new(), &|_| false, at(4)), []);
        let revisions = reconcile(&current, Findings::new(), &|_| false, at(5));
        assert_eq!((revisions[0].provisional, revisions[0].revision), (false, 2));
    }

    fn worlds() -> impl Strategy<Value = Vec<(u8, i64, i64)>> {
        prop::collection::vec((0_u8..4, 0_i64..6, 1_i64..3), 0..12)
    }

    fn claims(world: &[(u8, i64, i64)]) -> Findings {
        all(world.iter().map(|(host, episode, count)| finding(&format!("h{host}"), *episode, *count)))
    }

    proptest! {
        #[test]
        fn a_rerun_changes_nothing(one in worlds(), two in worlds(), settled in -1_i64..7) {
            let mut current = claims(&one);
            let first = reconcile(&current, claims(&two), &|_| true, at(settled));
            apply(&mut current, first);
            prop_assert_eq!(reconcile(&current, claims(&two), &|_| true, at(settled)), vec![]);
        }

        #[test]
        fn what_stands_afterwards_is_what_was_claimed_by_whatever_way(one in worlds(), two in worlds(), last in worlds()) {
            let mut current = Findings::new();
            for world in [&one, &two, &last] {
                let revisions = reconcile(&current, claims(world), &|_| true, at(3));
                apply(&mut current, revisions);
            }
            let expected: Vec<_> = claims(&last).values().map(comparable).collect();
            prop_assert_eq!(standing(&current), expected);
        }

        #[test]
        fn judging_by_parts_gives_what_judging_whole_gives(world in worlds(), cut in 0_i64..6) {
            let (mut whole, mut parts) = (Findings::new(), Findings::new());
            let revisions = reconcile(&whole, claims(&world), &|_| true, at(9));
            apply(&mut whole, revisions);
            for late in [true, false] {
                let mut part = claims(&world);
                part.retain(|_, one| (one.raised_time.0 >= cut) == late);
                let revisions = reconcile(&parts, part, &|one| (one.raised_time.0 >= cut) == late, at(9));
                apply(&mut parts, revisions);
            }
            prop_assert_eq!(standing(&whole), standing(&parts));
        }
    }
}
