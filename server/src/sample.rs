//! A finding for tests: complete, and told apart by its id and time.

use credwatch_schemas::finding::{Comparison, Finding, Severity, Status, Subject, Triage};
use credwatch_schemas::ids::{DetectorId, DetectorVersion, FindingId, OrgId};
use credwatch_schemas::time::{Micros, SECOND};

/// A finding of `org_a`, raised so many seconds after 1970.
pub(crate) fn finding(id: &str, seconds: i64) -> Finding {
    let time = Micros(seconds * SECOND);
    Finding {
        finding_id: FindingId::new(id),
        revision: 1,
        seq: None,
        detector_id: DetectorId::new("first-host"),
        detector_version: DetectorVersion::new("v1"),
        org_id: Some(OrgId::new("org_a")),
        subject: Subject::from([("dest_host".into(), "paste.example".into())]),
        episode: "r_1".into(),
        title: "First call to paste.example".into(),
        summary: "paste.example was called once".into(),
        severity: Severity::High,
        status: Status::Open,
        provisional: false,
        triage: Triage::New,
        verdict: None,
        assignee: None,
        comment: None,
        changed_by: "engine".into(),
        first_time: time,
        last_time: time,
        raised_time: time,
        recorded_time: time,
        event_count: 1,
        event_ids: vec!["e1".into()],
        compared: vec![Comparison {
            name: "calls".into(),
            observed: Some(1.0),
            expected: Some(0.0),
            threshold: None,
            unit: "calls".into(),
        }],
        members: Vec::new(),
        sql: "SELECT * FROM events WHERE org_id = 'org_a' AND seq <= 3".into(),
        data_seq: 3,
        not_seen: Vec::new(),
        replaced_by: None,
        status_reason: None,
    }
}
