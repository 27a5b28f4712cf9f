use super::*;
use crate::binding::AdapterChoice;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use credwatch_schemas::position::Partition;
use credwatch_schemas::records::UNDATED;
use proptest::prelude::*;

const NOW: Micros = Micros(1_780_305_243_000_000);
const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

fn partition() -> Partition {
    Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 3 }
}

fn decode_with(limits: Limits, binding: &Binding, headers: &[(&str, &[u8])], payload: Option<&[u8]>) -> RecordBatch {
    let decoder = Decoder::new(RedactionKey::from_bytes([7; 32]), limits);
    let (mut columns, partition) = (Columns::new(), partition());
    let record = RawRecord { payload, headers, arrival: NOW, now: NOW, partition: &partition, offset: 41 };
    decoder.decode(&record, binding, &mut columns);
    columns.take().unwrap()
}

fn decode(payload: impl AsRef<[u8]>) -> RecordBatch {
    decode_with(Limits::default(), &Binding::default(), &[], Some(payload.as_ref()))
}

fn bound(binding: &Binding, payload: &str) -> RecordBatch {
    decode_with(Limits::default(), binding, &[], Some(payload.as_bytes()))
}

/// The text in a column, "-" where it is null.
fn texts(rows: &RecordBatch, name: &str) -> Vec<String> {
    rows[name].as_string::<i32>().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

fn one(rows: &RecordBatch, name: &str) -> String {
    assert_eq!(rows.num_rows(), 1);
    texts(rows, name).remove(0)
}

fn raw(rows: &RecordBatch, row: usize) -> String {
    String::from_utf8_lossy(rows["raw"].as_binary::<i32>().value(row)).into_owned()
}

fn attribute(rows: &RecordBatch, key: &str) -> Option<String> {
    let entries = rows["attributes"].as_map().value(0);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    (0..entries.len()).find(|place| keys.value(*place) == key).map(|place| values.value(place).to_owned())
}

fn hashes(rows: &RecordBatch) -> Vec<i64> {
    rows["content_hash"].as_primitive::<Int64Type>().values().to_vec()
}

/// An event with these further members.
fn event(more: &str) -> String {
    format!(r#"{{"time":"2026-06-01T09:00:00Z","kind":"auth"{more}}}"#)
}

#[test]
fn an_event_becomes_a_row_with_its_position_and_day() {
    let rows = decode(event(r#","event_id":"e1","org_id":"o","status":200"#));
    assert_eq!(rows.schema(), *UNDATED);
    let names = ["disposition", "event_id", "org_id", "kind", "kafka_topic", "kafka_topic_id", "reason"];
    assert_eq!(names.map(|name| one(&rows, name)), ["accepted", "e1", "o", "auth", "audit", "t1", "-"]);
    assert_eq!(rows["kafka_partition"].as_primitive::<Int32Type>().value(0), 3);
    assert_eq!(rows["kafka_offset"].as_primitive::<Int64Type>().value(0), 41);
    assert_eq!(rows["date"].as_primitive::<Date32Type>().value(0), 20_605);
    assert_eq!(rows["status"].as_primitive::<Int32Type>().value(0), 200);
}

#[test]
fn every_reason_is_reached_and_costs_one_row() {
    let deep = format!(r#"{{"time":1780305243,"kind":"auth","x":{}1{}}}"#, "[".repeat(70), "]".repeat(70));
    let large = event(&format!(r#","x":"{}""#, "x".repeat(1 << 20)));
    let cases: Vec<(Reason, Vec<u8>)> = vec![
        (Reason::Empty, b" \r\n".to_vec()),
        (Reason::Empty, b"[]".to_vec()),
        (Reason::Empty, br#"{"Records":[]}"#.to_vec()),
        (Reason::BadEncoding, b"{\"time\":\"\xff\"}".to_vec()),
        (Reason::NotJson, b"hello".to_vec()),
        (Reason::NotJson, b"{\"time\":1}\0".to_vec()),
        (Reason::NotObject, b"7".to_vec()),
        (Reason::DuplicateKey, event(r#","a":1,"a":2"#).into_bytes()),
        (Reason::TooLarge, large.into_bytes()),
        (Reason::TooDeep, deep.into_bytes()),
        (Reason::NoTime, br#"{"kind":"auth"}"#.to_vec()),
        (Reason::BadTime, br#"{"kind":"auth","time":"soon"}"#.to_vec()),
        (Reason::BadTime, br#"{"kind":"auth","time":"2009-12-31T23:59:59Z"}"#.to_vec()),
        (Reason::FutureTime, br#"{"kind":"auth","time":"2026-06-03T00:00:00Z"}"#.to_vec()),
        (Reason::NoKind, br#"{"time":1780305243,"kind":""}"#.to_vec()),
        (Reason::WrongType, event(r#","status":"ok""#).into_bytes()),
        (Reason::UnknownShape, br#"{"hello":1}"#.to_vec()),
        (Reason::AdapterFailed, br#"{"eventSource":7,"eventName":"x","userIdentity":{}}"#.to_vec()),
    ];
    for (reason, payload) in &cases {
        let rows = decode(payload);
        assert_eq!(one(&rows, "reason"), reason.as_str(), "{}", one(&rows, "detail"));
        assert_eq!(one(&rows, "disposition"), "rejected");
        assert_eq!(rows["date"].as_primitive::<Date32Type>().value(0), NOW.utc_day());
    }
    // That nobody could read it is found out before anything is decoded.
    for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::DeletedUnread) {
        assert!(cases.iter().any(|(reached, _)| reached == reason), "{reason}");
    }
}

#[test]
fn a_message_without_a_value_is_empty() {
    let rows = decode_with(Limits::default(), &Binding::default(), &[], None);
    assert_eq!(one(&rows, "reason"), "empty");
}

#[test]
fn one_bad_value_of_a_list_costs_one_row() {
    let list = format!("[{},7,{},{{\"kind\":\"auth\"}}]", event(r#","event_id":"a""#), event(r#","event_id":"b""#));
    let rows = decode(&list);
    assert_eq!(texts(&rows, "reason"), ["-", "not_object", "-", "no_time"]);
    assert_eq!(texts(&rows, "event_id"), ["a", "-", "b", "-"]);
    assert_eq!(rows["kafka_index"].as_primitive::<Int32Type>().values().to_vec(), [0, 1, 2, 3]);
    assert_eq!((raw(&rows, 1), raw(&rows, 3)), ("7".into(), r#"{"kind":"auth"}"#.into()));
}

#[test]
fn a_value_of_a_list_is_the_event_that_it_is_alone() {
    let (a, b) = (event(r#","n":1"#), event(r#","n":2"#));
    let together = decode(format!("[{a},{b}]"));
    let in_records = decode(format!("{{\"Records\":[{a},{b}]}}"));
    let alone = [hashes(&decode(&a))[0], hashes(&decode(&b))[0]];
    assert_eq!(hashes(&together), alone);
    assert_eq!(hashes(&in_records), alone);
}

#[test]
fn neither_the_order_of_keys_nor_spelling_changes_a_row() {
    let one = decode(r#"{"time":"2026-06-01T09:00:00Z","kind":"auth","status":5,"z":"é","a":{"c":1,"b":2}}"#);
    let other =
        decode(r#" {"a":{"b":2,"c":1.0},"z":"\u00e9","status":5.0,"kind":"auth","time":"2026-06-01T09:00:00Z"}"#);
    assert_eq!(one, other);
}

#[test]
fn an_event_without_an_id_is_named_by_its_content() {
    let rows = decode(event(""));
    assert!(one(&rows, "event_id").starts_with("h:"));
    assert_eq!(one(&rows, "event_id"), one(&decode(event("")), "event_id"));
    assert_ne!(one(&rows, "event_id"), one(&decode(event(r#","n":1"#)), "event_id"));
}

#[test]
fn a_binding_may_name_events_by_position() {
    let binding = Binding { identity: IdentityRule::Position, ..Binding::default() };
    assert_eq!(one(&bound(&binding, &event("")), "event_id"), "p:audit/t1/3/41/0");
    assert_eq!(one(&bound(&binding, &event(r#","event_id":"own""#)), "event_id"), "own");
}

#[test]
fn a_binding_decides_source_and_org_and_what_it_displaces_is_kept() {
    let (source, org) = (Some(SourceId::new("bound")), Some(OrgId::new("acme")));
    let binding = Binding { source, org, ..Binding::default() };
    let rows = bound(&binding, &event(r#","org_id":"other","source":"bound""#));
    assert_eq!([one(&rows, "source"), one(&rows, "org_id")], ["bound", "acme"]);
    assert_eq!(attribute(&rows, "payload.org_id").as_deref(), Some("other"));
    assert_eq!(attribute(&rows, "payload.source"), None);
    let rows = bound(&binding, "not json");
    assert_eq!([one(&rows, "source"), one(&rows, "org_id")], ["bound", "acme"]);
}

#[test]
fn a_binding_chooses_the_adapter() {
    let binding = Binding { adapter: AdapterChoice::CloudTrail, ..Binding::default() };
    assert_eq!(one(&bound(&binding, &event("")), "reason"), "unknown_shape");
    let binding = Binding { adapter: AdapterChoice::EventV1, ..Binding::default() };
    assert_eq!(one(&bound(&binding, r#"{"hello":1}"#), "reason"), "no_time");
}

#[test]
fn a_reject_keeps_what_is_known_of_it() {
    let rows = decode(event(r#","event_id":"e","org_id":"o","source":"s","status":"x""#));
    assert_eq!(["event_id", "org_id", "source", "kind"].map(|name| one(&rows, name)), ["e", "o", "s", "-"]);
    assert!(rows["time"].as_primitive::<TimestampMicrosecondType>().is_valid(0));
    assert!(rows["content_hash"].is_valid(0));
}

#[test]
fn no_secret_is_stored_and_none_counts_in_the_hash() {
    let with =
        |secret: &str| decode(event(&format!(r#","path":"/x?t={secret}","password":"hunter2hunter2","{secret}":1"#)));
    let rows = with(TOKEN);
    assert!(one(&rows, "path").starts_with("/x?t=[redacted:github:"), "{}", one(&rows, "path"));
    assert!(attribute(&rows, "password").unwrap().starts_with("[redacted:"));
    assert!(!format!("{rows:?}").contains("ghp_0"));
    assert_eq!(hashes(&rows), hashes(&with(&TOKEN.replace('a', "b"))));
    assert_ne!(one(&rows, "path"), one(&with(&TOKEN.replace('a', "b")), "path"));
}

#[test]
fn a_secret_behind_an_escape_is_found() {
    let rows = decode(event(&format!(r#","path":"{}""#, TOKEN.replacen('g', "\\u0067", 1))));
    assert!(one(&rows, "path").starts_with("[redacted:github:"));
}

#[test]
fn no_secret_is_stored_of_a_reject() {
    for payload in [
        format!("not json {TOKEN}"),
        event(&format!(r#","{TOKEN}":1,"{TOKEN}":2"#)),
        event(&format!(r#","status":"{TOKEN}""#)),
        format!("[\"{TOKEN}\"]"),
    ] {
        let rows = decode(&payload);
        assert_eq!(texts(&rows, "disposition"), ["rejected"]);
        assert!(!raw(&rows, 0).contains("ghp_"), "{payload}");
        assert!(raw(&rows, 0).contains("[redacted:github:"), "{payload}");
        assert!(!one(&rows, "detail").contains("ghp_"), "{payload}");
    }
}

#[test]
fn what_is_kept_of_a_reject_is_cut_with_its_hash() {
    let limits = Limits { raw_bytes: 10, ..Limits::default() };
    let rows = decode_with(limits, &Binding::default(), &[], Some("x".repeat(50).as_bytes()));
    assert_eq!(raw(&rows, 0), "xxxxxxxxxx");
    assert!(one(&rows, "detail").contains("kept are the first 10 of 50 redacted bytes with SHA-256 "));
}

#[test]
fn a_mark_of_the_byte_order_is_not_part_of_the_text() {
    assert_eq!(one(&decode(format!("\u{feff}{}", event(""))), "disposition"), "accepted");
}

const HEADERS: &[(&str, &[u8])] = &[
    ("ce_specversion", b"1.0"),
    ("ce_id", b"i"),
    ("ce_source", b"s"),
    ("ce_type", b"t"),
    ("ce_token", b"9f86d081884c7d659a2f"),
];

fn structured(data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t","token":"9f86d081884c7d659a2f","data":{data}}}"#)
}

#[test]
fn both_modes_of_a_cloud_event_are_the_same_row() {
    let data = event(r#","org_id":"o""#);
    let binary = decode_with(Limits::default(), &Binding::default(), HEADERS, Some(data.as_bytes()));
    let structured = decode(structured(&data));
    assert_eq!(binary, structured);
    assert_eq!(["event_id", "source", "org_id"].map(|name| one(&binary, name)), ["i", "s", "o"]);
    assert!(attribute(&binary, "ce_token").unwrap().starts_with("[redacted:named:"));
}

#[test]
fn a_list_in_an_envelope_is_taken_apart_in_both_modes() {
    let data = format!("[{},8]", event(""));
    let binary = decode_with(Limits::default(), &Binding::default(), HEADERS, Some(data.as_bytes()));
    let structured = decode(structured(&data));
    assert_eq!(binary, structured);
    assert_eq!(texts(&binary, "reason"), ["-", "not_object"]);
    assert_eq!(texts(&binary, "event_id")[0], "i/0");
}

#[test]
fn an_envelope_without_data_is_no_event() {
    assert_eq!(one(&decode(structured("null")), "reason"), "not_object");
    assert_eq!(one(&decode(structured("[]")), "reason"), "empty");
}

#[test]
fn a_list_cannot_become_many_times_what_was_sent() {
    let many = format!("[{}1]", "1,".repeat(60_000));
    assert_eq!(one(&decode(many), "reason"), "too_large");
    let wide = structured(&format!("[{}{{}}]", "{},".repeat(2_000)));
    let wide = wide.replacen('{', &format!("{{\"more\":\"{}\",", "x".repeat(100_000)), 1);
    assert_eq!(one(&decode(wide), "reason"), "too_large");
}

#[test]
fn what_a_record_may_cost_includes_its_headers() {
    let long = vec![b'x'; 1 << 20];
    let rows = decode_with(Limits::default(), &Binding::default(), &[("h", &long)], Some(event("").as_bytes()));
    assert_eq!(one(&rows, "reason"), "too_large");
}

#[test]
fn a_cloud_events_time_stands_in_where_the_data_has_none() {
    let data = structured(r#"{"kind":"auth"}"#).replacen('{', r#"{"time":"2026-06-01T09:00:00Z","#, 1);
    assert_eq!(one(&decode(data), "disposition"), "accepted");
}

/// Texts that are nearly events, so that chance gets past the first check.
fn nearly_json() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"time\"",
        "\"kind\"",
        "\"auth\"",
        "1780305243",
        "\"steps\"",
        "\"attributes\"",
        "\"specversion\"",
        "\"id\"",
        "\"source\"",
        "\"type\"",
        "\"data\"",
        "\"eventSource\"",
        "\"eventName\"",
        "\"userIdentity\"",
        "\"Records\"",
        "null",
        "true",
        "1e999",
        "-0",
        "\"\\ud83d\\ude00\"",
        "\"ghp_0123456789abcdefghijklmnop\"",
    ]);
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        "\\PC{0,12}".prop_map(serde_json::Value::from),
    ];
    let key = prop_oneof!["[a-z_]{1,8}", prop::sample::select(FIELD_NAMES).prop_map(str::to_owned)];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..8)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

const FIELD_NAMES: &[&str] = &[
    "time",
    "kind",
    "event_id",
    "org_id",
    "steps",
    "attributes",
    "status",
    "scopes_granted",
    "via_broker",
    "cost_usd",
    "eventSource",
    "eventName",
    "userIdentity",
    "eventTime",
    "resources",
    "data",
    "specversion",
    "id",
    "source",
    "type",
];

proptest! {
    #[test]
    fn any_bytes_become_at_least_one_row(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).num_rows() >= 1);
    }

    #[test]
    fn anything_that_is_nearly_an_event_becomes_at_least_one_row(text in nearly_json()) {
        prop_assert!(decode(&text).num_rows() >= 1);
    }

    #[test]
    fn any_json_becomes_rows_that_fit_the_schema(json in any_json(), adapter in 0_usize..3) {
        let adapter = [AdapterChoice::Auto, AdapterChoice::EventV1, AdapterChoice::CloudTrail][adapter];
        let binding = Binding { adapter, ..Binding::default() };
        let rows = bound(&binding, &json.to_string());
        prop_assert!(rows.num_rows() >= 1);
        prop_assert_eq!(rows.schema(), UNDATED.clone());
    }

    #[test]
    fn a_neighbour_changes_nothing(json in any_json()) {
        let good = event(r#","event_id":"good""#);
        let alone = decode(&good);
        let rows = decode(format!("[{good},{json}]"));
        prop_assert_eq!(rows.slice(0, 1), alone);
    }
}
