//! What is exported, judged by validators that share no code with the program.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use credwatch_tests::oracle::{ocsf_classes, read_lines};
use serde_json::{Map, Value};

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../export/golden").join(name);
    std::fs::read_to_string(path).expect("reading a golden file")
}

#[test]
fn every_kind_of_event_and_every_state_of_a_finding_is_valid_ocsf_in_each_version() {
    for (word, version) in [("ocsf", "1.8.0"), ("ocsf-1.5", "1.5.0"), ("ocsf-1.3", "1.3.0")] {
        let records = ["events", "findings"].map(|stream| golden(&format!("{stream}.{word}.ndjson"))).concat();
        let said = format!("\"version\":\"{version}\"");
        assert!(records.lines().all(|record| record.contains(&said)), "{word}");
        let classes: BTreeMap<String, usize> = ocsf_classes(&records).expect("every record is valid");
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

/// The canonical rows of the same golden file.
fn canonical(stream: &str) -> Vec<Map<String, Value>> {
    let rows = golden(&format!("{stream}.canonical.ndjson"));
    rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_reader_of_cef_that_nobody_here_wrote_finds_what_was_meant() {
    let read = read_lines("cef", &golden("events.cef.txt")).expect("every line is CEF");
    let events = canonical("events");
    assert_eq!(read.len(), events.len());
    for (read, event) in read.iter().zip(&events) {
        let pairs =
            [("DeviceEventClassID", "kind"), ("externalId", "event_id"), ("orgId", "org_id"), ("dhost", "dest_host")];
        for (key, field) in pairs {
            assert_eq!(read.get(key).and_then(Value::as_str), event.get(field).and_then(Value::as_str), "{read:?}");
        }
        let rest = read.get("cwFields").and_then(Value::as_str).unwrap_or("{}");
        assert!(serde_json::from_str::<Value>(rest).is_ok(), "{rest}");
    }
    let findings = read_lines("cef", &golden("findings.cef.txt")).expect("every line is CEF");
    for (read, finding) in findings.iter().zip(canonical("findings")) {
        assert_eq!((&read["msg"], &read["DeviceEventClassID"]), (&finding["summary"], &finding["detector_id"]));
    }
}

#[test]
fn opentelemetrys_own_messages_take_every_record() {
    for stream in ["events", "findings"] {
        let read = read_lines("otlp", &golden(&format!("{stream}.otlp.ndjson"))).expect("every record is one of OTLP");
        assert_eq!(read.len(), canonical(stream).len());
    }
    assert!(read_lines("otlp", "{\"timeUnixNano\": \"1\", \"invented\": 1}").is_err());
    assert!(read_lines("cef", "CEF:0|half").is_err());
}
