//! A finding and a detector for tests: complete, and told apart by their names and times.

use credwatch_detectors::{InForce, Section};
use credwatch_schemas::finding::{EXAMPLE, Finding, Subject};
use credwatch_schemas::ids::{DetectorId, FindingId, OrgId};
use credwatch_schemas::time::{Micros, SECOND};

/// A finding of `org_a`, raised so many seconds after 1970.
pub(crate) fn finding(id: &str, seconds: i64) -> Finding {
    let time = Micros(seconds * SECOND);
    let example: Finding = serde_json::from_str(EXAMPLE).unwrap();
    Finding {
        finding_id: FindingId::new(id),
        seq: None,
        detector_id: DetectorId::new("first-host"),
        org_id: Some(OrgId::new("org_a")),
        subject: Subject::from([("dest_host".into(), "paste.example".into())]),
        title: "First call to paste.example".into(),
        summary: "paste.example was called once".into(),
        provisional: false,
        first_time: time,
        last_time: time,
        raised_time: time,
        recorded_time: time,
        sql: "SELECT * FROM events WHERE org_id = 'org_a' AND seq <= 3".into(),
        data_seq: 3,
        ..example
    }
}

/// A detector that has judged nothing.
pub(crate) fn in_force(id: &str) -> InForce {
    InForce {
        id: DetectorId::new(id),
        title: "D".into(),
        next_step: String::new(),
        warm_up: None,
        chance: None,
        section: Section { title: "D".into(), columns: Vec::new() },
        data_seq: 0,
        window: None,
        every: None,
    }
}
