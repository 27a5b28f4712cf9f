//! Elastic Common Schema 9.4. What it has no field for goes under `credwatch`, in the words of the contracts.

use credwatch_schemas::finding::{Finding, Severity, Status};
use serde_json::{Map, Value, json};

use crate::fields::{Fields, object, put};
use crate::stored_event::StoredEvent;

const VERSION: &str = "9.4.0";
const NANOS_A_MILLI: i64 = 1_000_000;

pub(crate) fn event(event: &StoredEvent) -> Value {
    let mut fields = Fields::of(event);
    let mut record = Map::new();
    let outcome = match fields.take("outcome").as_ref().and_then(Value::as_str) {
        Some("success") => Some("success"),
        Some("failure" | "denied") => Some("failure"),
        Some(_) => Some("unknown"),
        None => None,
    };
    let kind = event.event.kind.as_deref().unwrap_or_default();
    let duration = event.event.duration_ms.map(|millis| millis.saturating_mul(NANOS_A_MILLI).into());
    fields.take("duration_ms");
    fields.take("time");
    let related = related(&fields);
    let about = about_event(event, &mut fields, kind, outcome, duration);
    put(
        &mut record,
        [
            ("@timestamp", event.event.time.map(|time| time.to_string().into())),
            ("ecs", Some(json!({"version": VERSION}))),
            ("event", about),
            ("error", object([("code", fields.take("error_code")), ("message", fields.take("error_message"))])),
            ("related", related),
            ("organization", object([("id", fields.take("org_id"))])),
            ("user", object([("id", fields.take("user_id")), ("email", fields.attribute("email"))])),
            ("gen_ai", gen_ai(&mut fields)),
            ("trace", object([("id", fields.take("trace_id"))])),
            ("source", object([("ip", fields.take_address("src_ip"))])),
            ("destination", destination(&mut fields)),
            ("http", http(&mut fields)),
            ("url", object([("path", fields.take("path"))])),
            ("user_agent", object([("original", fields.take("user_agent"))])),
            ("cloud", object([("service", object([("name", fields.take("provider"))]))])),
            ("credwatch", own(event, fields)),
        ],
    );
    Value::Object(record)
}

fn about_event(
    event: &StoredEvent,
    fields: &mut Fields,
    kind: &str,
    outcome: Option<&str>,
    duration: Option<Value>,
) -> Option<Value> {
    let (category, sort) = category(kind);
    object([
        ("kind", Some("event".into())),
        ("module", Some("credwatch".into())),
        ("dataset", Some("credwatch.events".into())),
        ("category", Some(json!([category]))),
        ("type", Some(json!([sort]))),
        ("action", fields.take("kind")),
        ("id", fields.take("event_id")),
        ("hash", Some(event.content_hash.clone().into())),
        ("sequence", Some(event.seq.into())),
        ("ingested", Some(event.ingest_time.to_string().into())),
        ("provider", fields.take("source")),
        ("outcome", outcome.map(Value::from)),
        ("reason", fields.see("error_message")),
        ("duration", duration),
    ])
}

/// The words that Elastic allows for `event.category` and `event.type`.
fn category(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "tool_call" => ("api", "access"),
        "auth" | "token_refresh" => ("authentication", "info"),
        "owner_status_changed" => ("iam", "user"),
        "connection_created" | "consent" | "credential_created" | "client_registration" => ("iam", "creation"),
        "connection_deleted" | "credential_deleted" | "token_revocation" => ("iam", "deletion"),
        "scope_change" | "token_rotation" | "secret_rotated" | "reauth_requested" | "reauth_completed" => {
            ("iam", "change")
        }
        "allowlist_change" | "prompt_promoted" | "deploy" => ("configuration", "change"),
        "credential_exported" | "audit_read" | "export_batch" => ("iam", "access"),
        _ => ("api", "info"),
    }
}

fn related(fields: &Fields) -> Option<Value> {
    let list = |names: &[&str]| {
        let found: Vec<Value> = names.iter().filter_map(|name| fields.see(name)).collect();
        (!found.is_empty()).then(|| Value::from(found))
    };
    let is_address = |name: &&str| fields.text(name).is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok());
    let addresses: Vec<&str> = ["src_ip", "dest_ip"].into_iter().filter(is_address).collect();
    object([("user", list(&["user_id", "owner_id"])), ("ip", list(&addresses)), ("hosts", list(&["dest_host"]))])
}

fn gen_ai(fields: &mut Fields) -> Option<Value> {
    let name = fields.attribute("agent_name");
    object([
        ("agent", object([("id", fields.take("agent_id")), ("name", name)])),
        ("request", object([("model", fields.attribute("model"))])),
    ])
}

fn destination(fields: &mut Fields) -> Option<Value> {
    object([
        ("domain", fields.take("dest_host")),
        ("ip", fields.take_address("dest_ip")),
        ("port", fields.take("dest_port")),
    ])
}

fn http(fields: &mut Fields) -> Option<Value> {
    object([
        ("request", object([("method", fields.take("method"))])),
        ("response", object([("status_code", fields.take("status"))])),
    ])
}

fn own(event: &StoredEvent, fields: Fields) -> Option<Value> {
    let mut own = Map::new();
    own.insert("record_id".to_owned(), event.record_id.as_str().into());
    if let Some(Value::Object(rest)) = fields.rest() {
        own.extend(rest);
    }
    Some(Value::Object(own))
}

pub(crate) fn finding(finding: &Finding) -> Value {
    let severity = match finding.severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    };
    let is_alert = finding.status == Status::Open;
    json!({
        "@timestamp": finding.raised_time,
        "ecs": {"version": VERSION},
        "event": {
            "kind": if is_alert { "alert" } else { "event" },
            "module": "credwatch",
            "dataset": "credwatch.findings",
            "category": ["iam"],
            "type": ["info"],
            "id": format!("{}.{}", finding.finding_id, finding.revision),
            "sequence": finding.seq,
            "severity": severity,
            "start": finding.first_time,
            "end": finding.last_time,
            "ingested": finding.recorded_time,
        },
        "message": finding.summary,
        "organization": {"id": finding.org_id},
        "rule": {"id": finding.detector_id, "name": finding.title, "version": finding.detector_version},
        "credwatch": {"finding": finding},
    })
}
