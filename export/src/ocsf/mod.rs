//! OCSF 1.8.0, and earlier versions made of it. Each kind of event has a class; what a class has no attribute for goes under
//! `unmapped.credwatch`.
//!
//! Some classes demand what an event may not know (a user, a source). There stands `Unknown` with the type 0, which is
//! OCSF's own way to say so. A test validates every kind against the compiled schema.

mod call;
mod earlier;
mod finding;
mod identity;
mod lifecycle;

use serde_json::{Map, Value, json};

pub use earlier::OcsfVersion;

use credwatch_schemas::finding::Finding;

use crate::fields::{Fields, object, put};
use crate::stored_event::StoredEvent;

/// A class and what was done, in its own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    category: u32,
    uid: u32,
}

/// `name` where the activity is none of the class's own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Activity {
    id: u32,
    name: Option<String>,
}

const OTHER: u32 = 99;

impl Activity {
    fn known(id: u32) -> Self {
        Self { id, name: None }
    }

    fn other(name: impl Into<String>) -> Self {
        Self { id: OTHER, name: Some(name.into()) }
    }
}

pub(crate) fn event(event: &StoredEvent, version: OcsfVersion) -> Value {
    earlier::as_of(version, newest(event))
}

/// One revision.
pub(crate) fn finding(finding: &Finding, version: OcsfVersion) -> Value {
    earlier::as_of(version, finding::finding(finding))
}

fn newest(event: &StoredEvent) -> Value {
    let mut fields = Fields::of(event);
    let kind = event.event.kind.clone().unwrap_or_default();
    let mut record = match kind.as_str() {
        "auth" | "token_refresh" => identity::authentication(&mut fields),
        "connection_created" | "consent" => identity::authorization(&mut fields),
        "scope_change" => identity::access(&mut fields),
        "owner_status_changed" => identity::account(&mut fields),
        "token_rotation"
        | "token_revocation"
        | "connection_deleted"
        | "reauth_requested"
        | "reauth_completed"
        | "credential_created"
        | "credential_exported"
        | "credential_deleted"
        | "secret_rotated"
        | "client_registration"
        | "allowlist_change"
        | "prompt_promoted" => identity::entity(&mut fields, &kind),
        "startup_probe" | "deploy" | "heartbeat" => lifecycle::application(&mut fields, &kind),
        _ => call::call(&mut fields, &kind),
    };
    common(&mut record, event, &mut fields);
    put(&mut record, [("unmapped", fields.rest().map(|rest| json!({"credwatch": rest})))]);
    Value::Object(record)
}

/// What begins a record of any class.
fn begin(class: Class, activity: Activity) -> Map<String, Value> {
    let mut record = Map::new();
    let type_uid = class.uid * 100 + activity.id;
    put(
        &mut record,
        [
            ("category_uid", Some(class.category.into())),
            ("class_uid", Some(class.uid.into())),
            ("activity_id", Some(activity.id.into())),
            ("activity_name", activity.name.map(Value::from)),
            ("type_uid", Some(type_uid.into())),
        ],
    );
    record
}

/// What every class has: times, identity, severity, how it ended.
fn common(record: &mut Map<String, Value>, event: &StoredEvent, fields: &mut Fields) {
    let profiles = record.remove("profiles");
    let (status_id, _) = outcome(fields);
    let metadata = metadata(event, fields, profiles);
    fields.take("outcome");
    fields.take("time");
    put(
        record,
        [
            ("time", event.event.time.map(|time| millis(time.0))),
            ("severity_id", Some(1.into())),
            ("status_id", Some(status_id.into())),
            ("status_code", fields.take("error_code")),
            ("status_detail", fields.take("error_message")),
            ("duration", fields.take("duration_ms")),
            ("metadata", Some(metadata)),
        ],
    );
}

fn metadata(event: &StoredEvent, fields: &mut Fields, profiles: Option<Value>) -> Value {
    let original_time = event.event.time.map(|time| time.to_string().into());
    let correlation = if record_has(&profiles, "trace") { None } else { fields.see("trace_id") };
    let correlation = match fields.take("task_id") {
        Some(task) => Some(task),
        None => correlation.inspect(|_| drop(fields.take("trace_id"))),
    };
    let members = object([
        ("product", object([("name", Some("credwatch".into())), ("vendor_name", Some("credwatch".into()))])),
        ("version", Some(OcsfVersion::V1_8.number().into())),
        ("profiles", profiles),
        ("uid", Some(event.record_id.as_str().into())),
        ("original_event_uid", fields.take("event_id")),
        ("sequence", Some(event.seq.into())),
        ("event_code", fields.take("kind")),
        ("tenant_uid", fields.take("org_id")),
        ("correlation_uid", correlation),
        ("log_name", fields.take("source")),
        ("logged_time", Some(millis(event.ingest_time.0))),
        ("original_time", original_time),
    ]);
    members.unwrap_or_default()
}

fn record_has(profiles: &Option<Value>, name: &str) -> bool {
    let profiles = profiles.as_ref().and_then(Value::as_array);
    profiles.is_some_and(|profiles| profiles.iter().any(|profile| profile == name))
}

/// Status, and whether the broker refused.
fn outcome(fields: &Fields) -> (u32, bool) {
    match fields.text("outcome") {
        Some("success") => (1, false),
        Some("failure") => (2, false),
        Some("denied") => (2, true),
        Some(_) | None => (0, false),
    }
}

fn millis(micros: i64) -> Value {
    micros.div_euclid(1_000).into()
}

/// The person who triggered it.
fn user(fields: &mut Fields) -> Value {
    let uid = fields.take("user_id");
    let kind = if uid.is_some() { 1 } else { 0 };
    let unknown = if uid.is_some() { None } else { Some("Unknown".into()) };
    let members = object([
        ("uid", uid),
        ("name", unknown),
        ("type_id", Some(kind.into())),
        ("email_addr", fields.attribute("email")),
        ("org", object([("uid", fields.see("org_id"))])),
    ]);
    members.unwrap_or_default()
}

/// The agent, for the person, with the credential.
fn actor(fields: &mut Fields) -> Option<Value> {
    let user = fields.see("user_id").map(|_| user(fields));
    let name = fields.attribute("agent_name");
    let actor = object([
        ("user", user),
        ("app_uid", fields.take("agent_id")),
        ("app_name", name),
        ("session", session(fields)),
    ]);
    actor.or_else(|| object([("app_name", Some("Unknown".into()))]))
}

fn session(fields: &mut Fields) -> Option<Value> {
    object([("uid", fields.take("connection_id")), ("credential_uid", fields.take("token_fp"))])
}

fn source(fields: &mut Fields) -> Option<Value> {
    object([("ip", fields.take_address("src_ip")), ("name", fields.take("replica_id"))])
}

fn destination(fields: &mut Fields) -> Option<Value> {
    object([
        ("hostname", fields.take("dest_host")),
        ("ip", fields.take_address("dest_ip")),
        ("port", fields.take("dest_port")),
    ])
}

fn request(fields: &mut Fields) -> Option<Value> {
    let host = fields.see("dest_host").filter(|_| fields.see("path").is_some());
    object([
        ("http_method", fields.take("method")),
        ("url", object([("path", fields.take("path")), ("hostname", host)])),
        ("user_agent", fields.take("user_agent")),
    ])
}

fn response(fields: &mut Fields) -> Option<Value> {
    let code = fields.take("status")?;
    object([("code", Some(code)), ("latency", fields.see("duration_ms"))])
}
