//! Every kind of event and every state of a finding in every vocabulary, as files that a security analyst can read.
//!
//! After a change, `CREDWATCH_BLESS=1` writes them anew. `tests/tests/exports.rs` has the OCSF ones validated by a
//! validator that shares no code with us.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use credwatch_export::{OcsfVersion, StoredEvent, Vocabulary};
use credwatch_schemas::event::{Event, KINDS, Step};
use credwatch_schemas::finding::{EXAMPLE, Finding, Severity, Status, Subject, Triage, Verdict};
use credwatch_schemas::ids::{DetectorId, RecordId};
use credwatch_schemas::time::Micros;
use serde_json::Value;

fn time(text: &str) -> Micros {
    Micros::parse(text).expect("a time")
}

fn stored(seq: i64, event: Event) -> StoredEvent {
    let id = event.event_id.clone().expect("an id");
    let hash = seq.wrapping_mul(0x0123_4567_89ab_cdef);
    StoredEvent {
        record_id: RecordId::of(event.source.as_deref(), event.org_id.as_deref(), &id, hash),
        seq,
        ingest_time: time("2026-06-01T09:14:05.000001Z"),
        content_hash: format!("{hash:016x}"),
        event,
    }
}

/// The contract's example, with every field that it leaves out.
fn full() -> Event {
    let example = include_str!("../../schemas/wire/event-v1.example.json");
    let example: Event = serde_json::from_str(example).expect("the example is an event");
    let text = |text: &str| Some(text.to_owned());
    Event {
        source_seq: Some(77),
        trace_id: text("4bf92f3577b34da6a3ce929d0e0e4736"),
        agent_version: text("1.4.2"),
        delegation_chain: Some(vec!["usr_12".into(), "summarizer".into()]),
        credential_id: text("cred_9"),
        owner_id: text("usr_12"),
        owner_status: text("active"),
        account_id: text("T024BE7LD"),
        installation_id: text("inst_3"),
        key_id: text("kms_1"),
        vault_partition: text("eu"),
        token_fp: text("fp_1"),
        refresh_token_fp: text("fp_2"),
        token_family: text("fam_1"),
        rotation_no: Some(4),
        token_issued_at: Some(time("2026-06-01T09:00:00Z")),
        token_expires_at: Some(time("2026-06-01T10:00:00Z")),
        jti: text("jti_1"),
        refresh_trigger: text("proactive"),
        scopes_required: Some(vec!["chat:write".into()]),
        approver_id: text("usr_1"),
        consent_id: text("consent_1"),
        dest_port: Some(443),
        dest_ip: text("198.51.100.7"),
        target_account_id: text("T024BE7LD"),
        target_installation_id: text("inst_3"),
        resource: text("C123"),
        error_code: text("channel_not_found"),
        error_message: text("no such channel: \"general\"\nsecond line"),
        retry_after_ms: Some(1_000),
        bytes_in: Some(512),
        bytes_out: Some(1_024),
        steps: Some(vec![Step {
            name: text("auth"),
            time: Some(time("2026-06-01T09:14:03Z")),
            outcome: text("success"),
            connection_id: text("conn_7_12_slack"),
            org_id: text("org_7"),
        }]),
        client_id_uri: text("https://client.example/meta.json"),
        jwks_uri: text("https://client.example/jwks.json"),
        client_auth_method: text("private_key_jwt"),
        document_hash: text("abc"),
        model_version: text("2026-05-01"),
        prompt_deprecated_at: Some(time("2026-12-01T00:00:00Z")),
        input_tokens: Some(1_200),
        output_tokens: Some(80),
        cost_usd: Some(0.0125),
        user_agent: text("agent/1.4"),
        proxy_chain: Some(vec!["10.0.0.1".into()]),
        tls_error: text("none"),
        attributes: Some(BTreeMap::from([
            ("email".to_owned(), "ada@example.com".to_owned()),
            ("agent_name".to_owned(), "Summarizer".to_owned()),
            ("model".to_owned(), "large-1".to_owned()),
            ("model_provider".to_owned(), "example".to_owned()),
            ("custom".to_owned(), "kept".to_owned()),
        ])),
        ..example
    }
}

/// Each kind with everything and with almost nothing, calls by every method and outcome, and a kind that nobody knows.
fn events() -> Vec<StoredEvent> {
    let mut all = Vec::new();
    let bare = |kind: &str| Event { time: full().time, kind: Some(kind.to_owned()), ..Event::default() };
    for kind in KINDS.iter().copied().chain(["other.broker.thing"]) {
        all.push(Event { kind: Some(kind.to_owned()), ..full() });
        all.push(bare(kind));
    }
    for (method, outcome, status) in
        [("GET", "success", 200), ("PUT", "failure", 500), ("DELETE", "denied", 403), ("OPTIONS", "?", 204)]
    {
        let (method, outcome) = (Some(method.to_owned()), Some(outcome.to_owned()));
        all.push(Event { method, outcome, status: Some(status), ..full() });
    }
    for operation in ["login", "logout", "token_exchange"] {
        all.push(Event { kind: Some("auth".into()), operation: Some(operation.into()), ..full() });
    }
    for status in ["active", "suspended", "deprovisioned", "on_leave"] {
        let kind = Some("owner_status_changed".into());
        all.push(Event { kind, owner_status: Some(status.into()), owner_kind: Some("service".into()), ..full() });
    }
    all.push(Event { kind: Some("scope_change".into()), operation: Some("scopes_revoked".into()), ..full() });
    let numbered = (1..).zip(all);
    numbered.map(|(seq, event)| stored(seq, Event { event_id: Some(format!("e{seq}")), ..event })).collect()
}

fn finding() -> Finding {
    let example: Finding = serde_json::from_str(EXAMPLE).expect("the contract's example");
    Finding { detector_id: DetectorId::new("a-detector"), ..example }
}

fn findings() -> Vec<Finding> {
    let mut all = vec![
        finding(),
        Finding { provisional: false, severity: Severity::Critical, ..finding() },
        Finding { status: Status::Digest, severity: Severity::Info, ..finding() },
        Finding { status: Status::Suppressed, status_reason: Some("exception 4".into()), ..finding() },
        Finding {
            triage: Triage::InProgress,
            assignee: Some("ada".into()),
            comment: Some("on it".into()),
            ..finding()
        },
        Finding { triage: Triage::Closed, verdict: Some(Verdict::Benign), changed_by: "ada".into(), ..finding() },
        Finding { status: Status::Resolved, severity: Severity::Low, ..finding() },
        Finding { status: Status::Withdrawn, severity: Severity::Medium, ..finding() },
        Finding { org_id: None, subject: Subject::new(), compared: Vec::new(), event_ids: Vec::new(), ..finding() },
    ];
    for (revision, finding) in (1..).zip(&mut all) {
        finding.revision = revision;
        finding.seq = Some(411 + revision);
    }
    all
}

fn check(name: &str, lines: &[Vec<u8>]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let mut written = lines.join(&b'\n');
    written.push(b'\n');
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment to write its files anew")]
    if std::env::var("CREDWATCH_BLESS").is_ok() {
        std::fs::write(&path, &written).expect("writing a golden file");
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    for (place, (one, other)) in golden.split(|byte| *byte == b'\n').zip(lines).enumerate() {
        assert_eq!(String::from_utf8_lossy(one), String::from_utf8_lossy(other), "line {} of {name}", place + 1);
    }
    assert_eq!(golden, written, "{name}");
}

fn file(stream: &str, vocabulary: Vocabulary) -> String {
    let kind = if vocabulary.is_json() { "ndjson" } else { "txt" };
    format!("{stream}.{}.{kind}", vocabulary.as_str())
}

#[test]
fn events_are_written_as_the_golden_files_say() {
    for vocabulary in Vocabulary::ALL {
        let lines: Vec<Vec<u8>> = events().iter().map(|event| vocabulary.event(event).expect("JSON")).collect();
        check(&file("events", vocabulary), &lines);
    }
}

#[test]
fn findings_are_written_as_the_golden_files_say() {
    for vocabulary in Vocabulary::ALL {
        let lines: Vec<Vec<u8>> = findings().iter().map(|finding| vocabulary.finding(finding).expect("JSON")).collect();
        check(&file("findings", vocabulary), &lines);
    }
}

/// Everything that stands in the canonical form stands in the foreign ones too, under some name.
#[test]
fn no_vocabulary_drops_what_a_producer_sent() {
    for vocabulary in Vocabulary::ALL.into_iter().filter(|one| one.is_json()) {
        for event in events() {
            let foreign = String::from_utf8(vocabulary.event(&event).expect("JSON")).expect("UTF-8");
            let canonical = serde_json::to_value(&event.event).expect("JSON");
            for (name, value) in canonical.as_object().expect("an object") {
                // Told in other words or units.
                if ["outcome", "duration_ms"].contains(&name.as_str())
                    || (name == "time" && vocabulary == Vocabulary::Otlp)
                {
                    continue;
                }
                for told in leaves(value) {
                    assert!(foreign.contains(&told), "{} lacks {name} = {told}: {foreign}", vocabulary.as_str());
                }
            }
        }
    }
}

/// The same of the lines of text, where values stand without quotation marks and without what would end them.
#[test]
fn no_line_drops_what_a_producer_sent() {
    for vocabulary in [Vocabulary::Cef, Vocabulary::Leef] {
        for event in events() {
            let line = String::from_utf8(vocabulary.event(&event).expect("text")).expect("UTF-8");
            assert!(!line.contains(['\n', '\r']), "{line}");
            let plain = line.replace("\\n", "\n").replace("\\=", "=").replace("\\\\", "\\");
            let canonical = serde_json::to_value(&event.event).expect("JSON");
            let told = canonical.as_object().expect("an object").iter().filter(|(name, _)| *name != "time");
            for told in told.flat_map(|(_, value)| leaves(value)) {
                let told: Value = serde_json::from_str(&told).expect("JSON");
                let told = told.as_str().map_or_else(|| told.to_string(), str::to_owned);
                let on_one_line = told.replace('\n', " ");
                assert!(
                    plain.contains(&told) || plain.contains(&on_one_line),
                    "{} lacks {told}: {plain}",
                    vocabulary.as_str()
                );
            }
        }
    }
}

/// Every path of the schema that we write to; they were looked up in `generated/csv/fields.csv` of its tag v9.4.0.
const ECS: &str = "@timestamp ecs.version event.kind event.module event.dataset event.category event.type event.action \
    event.id event.hash event.sequence event.ingested event.provider event.outcome event.reason event.duration \
    event.severity event.start event.end error.code error.message related.user related.ip related.hosts \
    organization.id user.id user.email gen_ai.agent.id gen_ai.agent.name gen_ai.request.model trace.id source.ip \
    destination.domain destination.ip destination.port http.request.method http.response.status_code url.path \
    user_agent.original cloud.service.name rule.id rule.name rule.version message";

#[test]
fn ecs_records_hold_fields_of_the_schema_and_what_is_ours_under_our_own_name() {
    let known: Vec<&str> = ECS.split_whitespace().collect();
    let events = events().into_iter().map(|event| Vocabulary::Ecs.event(&event).expect("JSON"));
    for record in events.chain(findings().iter().map(|finding| Vocabulary::Ecs.finding(finding).expect("JSON"))) {
        let record: Value = serde_json::from_slice(&record).expect("JSON");
        for path in paths("", &record).iter().filter(|path| !path.starts_with("credwatch.")) {
            assert!(known.contains(&path.as_str()), "{path}");
        }
    }
}

#[test]
fn what_is_no_address_is_never_given_out_as_one() {
    let event = stored(1, Event { event_id: Some("e".into()), src_ip: Some("unknown".into()), ..full() });
    for vocabulary in [Vocabulary::Ocsf(OcsfVersion::V1_8), Vocabulary::Ecs] {
        let text = String::from_utf8(vocabulary.event(&event).expect("JSON")).expect("UTF-8");
        assert!(text.contains("\"src_ip\":\"unknown\"") && !text.contains("\"ip\":\"unknown\""), "{text}");
    }
}

fn paths(above: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let below = |name: &String| if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            members.iter().flat_map(|(name, value)| paths(&below(name), value)).collect()
        }
        _ => vec![above.to_owned()],
    }
}

fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(leaves).collect(),
        Value::Object(all) => all.values().flat_map(leaves).collect(),
        leaf => vec![leaf.to_string()],
    }
}
