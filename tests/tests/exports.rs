//! What is exported, judged by validators that share no code with the program.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use credwatch_tests::oracle::ocsf_classes;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../export/golden").join(name);
    std::fs::read_to_string(path).expect("reading a golden file")
}

#[test]
fn every_kind_of_event_and_every_state_of_a_finding_is_valid_ocsf() {
    let (events, findings) = (golden("events.ocsf.ndjson"), golden("findings.ocsf.ndjson"));
    let classes: BTreeMap<String, usize> = ocsf_classes(&(events + &findings)).expect("every record is valid");
    for class in [
        "api_activity",
        "authentication",
        "authorize_session",
        "user_access",
        "entity_management",
        "account_change",
        "application_lifecycle",
        "detection_finding",
    ] {
        assert!(classes.get(class).is_some_and(|records| *records > 0), "no record of {class}: {classes:?}");
    }
}

#[test]
fn the_validator_notices_what_is_wrong() {
    let events = golden("events.ocsf.ndjson");
    let line = events.lines().next().expect("a line");
    assert!(ocsf_classes(line).is_ok());
    for (right, wrong) in [
        ("\"activity_id\":1", "\"activity_id\":17"),
        ("\"class_uid\":6003", "\"class_uid\":3002"),
        ("\"severity_id\":1", "\"severity_id\":\"high\""),
        ("\"actor\":{", "\"invented\":1,\"actor\":{"),
    ] {
        let broken = line.replacen(right, wrong, 1);
        assert_ne!(broken, line, "{right} stands in the record");
        assert!(ocsf_classes(&broken).is_err(), "{wrong}");
    }
}
