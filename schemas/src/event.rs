//! The audit event, version 1: one thing that a credential broker did, refused or learned.
//!
//! The list below is the only place where the fields stand. The Rust type, the Arrow schema, the JSON Schema and the
//! reference page all derive from it. Only `time` and `kind` are required; everything else may be absent, and absent
//! means *unknown*, never "no" and never "empty".

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::cell;
use crate::time::Micros;

/// One field of the event: a column of the lake, a key on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub group: &'static str,
    pub shape: Shape,
    pub meaning: &'static str,
}

/// What a field holds. Units stand in the names (`_ms`, `_usd`, `bytes_`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Int64,
    Int32,
    Float64,
    Bool,
    Time,
    TextList,
    Steps,
    TextMap,
}

/// One step of the broker's pipeline, as it ran.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
}

macro_rules! rust_type {
    (Text) => { String };
    (Int64) => { i64 };
    (Int32) => { i32 };
    (Float64) => { f64 };
    (Bool) => { bool };
    (Time) => { Micros };
    (TextList) => { Vec<String> };
    (Steps) => { Vec<Step> };
    (TextMap) => { BTreeMap<String, String> };
}

/// The reader of a column of this shape.
macro_rules! reader {
    (Text) => {
        cell::texts
    };
    (Int64) => {
        cell::int64s
    };
    (Int32) => {
        cell::int32s
    };
    (Float64) => {
        cell::float64s
    };
    (Bool) => {
        cell::bools
    };
    (Time) => {
        cell::times
    };
    (TextList) => {
        cell::text_lists
    };
    (Steps) => {
        cell::steps
    };
    (TextMap) => {
        cell::text_maps
    };
}

macro_rules! event_fields {
    ($($group:literal { $($name:ident: $shape:ident $meaning:literal,)* })*) => {
        /// Every field, in column order.
        pub const FIELDS: &[Field] = &[$($(
            Field { name: stringify!($name), group: $group, shape: Shape::$shape, meaning: $meaning },
        )*)*];

        /// An event as its producer writes it. For generators, tests and pages of an export; the hot path of ingest goes
        /// from bytes to columns.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        pub struct Event {$($(
            #[doc = $meaning]
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $name: Option<rust_type!($shape)>,
        )*)*}

        impl Event {
            /// The events of rows, column by column; a column that is not there is unknown in all of them.
            pub fn of_rows(rows: &RecordBatch) -> Result<Vec<Self>, ArrowError> {
                let mut events = vec![Self::default(); rows.num_rows()];
                $($(
                    if let Some(column) = rows.column_by_name(stringify!($name)) {
                        let values = reader!($shape)(column)?;
                        events.iter_mut().zip(values).for_each(|(event, value)| event.$name = value);
                    }
                )*)*
                Ok(events)
            }
        }
    };
}

event_fields! {
    "envelope" {
        event_id: Text "the producer's unique id",
        time: Time "when it happened; of a call, when it began",
        kind: Text "what happened: tool_call, token_refresh, ... or other.<source>.<name>",
        source: Text "which broker or feed said so",
        source_seq: Int64 "the source's own counter, for gap checks",
        trace_id: Text "one agent step",
        task_id: Text "one unit of work",
    }
    "who" {
        org_id: Text "tenant on whose behalf the call was made",
        user_id: Text "the person who triggered it",
        agent_id: Text "which agent",
        agent_version: Text "which build of the agent",
        replica_id: Text "which process of the agent",
        delegation_chain: TextList "from the person to the acting agent",
    }
    "credential" {
        connection_id: Text "user, org and granted scopes as one resolved unit",
        credential_id: Text "the stored credential",
        credential_class: Text "per_user, service, admin or shared",
        credential_org_id: Text "tenant that owns the credential",
        owner_id: Text "who owns the credential",
        owner_kind: Text "person or service",
        owner_status: Text "active, suspended or deprovisioned",
        account_id: Text "provider account that the credential belongs to",
        installation_id: Text "app installation that the credential belongs to",
        key_id: Text "which key protects the credential",
        vault_partition: Text "where the credential is stored",
    }
    "token" {
        token_fp: Text "keyed fingerprint of the token, never the token",
        refresh_token_fp: Text "keyed fingerprint of the refresh token",
        token_family: Text "keyed fingerprint of the token family",
        rotation_no: Int64 "how often the family rotated",
        token_issued_at: Time "start of the token's lifetime",
        token_expires_at: Time "end of the token's lifetime",
        jti: Text "id of a JWT or assertion",
        refresh_trigger: Text "proactive, on_401 or keepalive",
    }
    "scope" {
        scopes_granted: TextList "what the grant allows",
        scopes_required: TextList "what the call needs",
        scope_used: Text "the scope that allowed the call",
        approver_id: Text "who approved a change",
        consent_id: Text "the consent event",
    }
    "target" {
        provider: Text "github, slack, google, ...",
        dest_host: Text "host that the call went to",
        dest_port: Int32 "port that the call went to",
        dest_ip: Text "address that the call went to",
        method: Text "HTTP method",
        path: Text "path template",
        operation: Text "tool or API operation",
        target_org_id: Text "tenant whose data was touched",
        target_account_id: Text "account whose data was touched",
        target_installation_id: Text "installation whose data was touched",
        resource: Text "what was touched",
    }
    "result" {
        outcome: Text "success, failure or denied",
        status: Int32 "HTTP status",
        error_code: Text "the provider's code",
        error_message: Text "normalised text",
        attempt: Int32 "1 is the first",
        retry_after_ms: Int64 "how long the provider asked to wait",
        duration_ms: Int64 "how long the call took",
        bytes_in: Int64 "bytes received",
        bytes_out: Int64 "bytes sent",
    }
    "pipeline" {
        steps: Steps "auth, tenant_resolution, scope_check, tool_execution, audit_log, as they ran",
    }
    "client" {
        client_id_uri: Text "OAuth client metadata document",
        jwks_uri: Text "where the client's keys are",
        client_auth_method: Text "how the client authenticated",
        document_hash: Text "hash of the metadata document",
    }
    "prompt" {
        prompt_id: Text "pinned prompt",
        prompt_version: Text "pinned prompt version",
        model_version: Text "pinned model version",
        prompt_deprecated_at: Time "deadline from the registry's warning",
        input_tokens: Int64 "model tokens read",
        output_tokens: Int64 "model tokens written",
        cost_usd: Float64 "cost of the call in US dollars",
    }
    "context" {
        src_ip: Text "address that the agent called from",
        user_agent: Text "the caller's own words",
        environment: Text "ci, production, staging or development",
        via_broker: Bool "false when traffic was seen that did not pass the broker",
        proxy_chain: TextList "proxies on the way",
        tls_error: Text "what TLS complained about",
    }
    "rest" {
        attributes: TextMap "every field without a column",
    }
}

/// The kinds with a meaning of their own; others are kept as they are.
pub const KINDS: &[&str] = &[
    "tool_call",
    "auth",
    "tenant_resolution",
    "scope_check",
    "token_refresh",
    "token_rotation",
    "token_revocation",
    "consent",
    "scope_change",
    "connection_created",
    "connection_deleted",
    "reauth_requested",
    "reauth_completed",
    "credential_created",
    "credential_exported",
    "credential_deleted",
    "secret_rotated",
    "startup_probe",
    "deploy",
    "client_registration",
    "allowlist_change",
    "prompt_resolved",
    "prompt_promoted",
    "owner_status_changed",
    "audit_read",
    "export_batch",
    "heartbeat",
];

/// The field of this name, if the event has one.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

impl Shape {
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int64 => DataType::Int64,
            Self::Int32 => DataType::Int32,
            Self::Float64 => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => timestamp(),
            Self::TextList => DataType::List(Arc::new(ArrowField::new("element", DataType::Utf8, true))),
            Self::Steps => DataType::List(Arc::new(ArrowField::new("element", DataType::Struct(step_fields()), true))),
            Self::TextMap => text_map(),
        }
    }
}

/// Microseconds in UTC: the one timestamp type of the lake.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The names inside lists and maps are the ones that Parquet and Delta prescribe.
pub fn text_map() -> DataType {
    let entries = Fields::from(vec![
        ArrowField::new("key", DataType::Utf8, false),
        ArrowField::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(Arc::new(ArrowField::new("key_value", DataType::Struct(entries), false)), false)
}

pub fn step_fields() -> Fields {
    Fields::from(vec![
        ArrowField::new("name", DataType::Utf8, true),
        ArrowField::new("time", timestamp(), true),
        ArrowField::new("outcome", DataType::Utf8, true),
        ArrowField::new("connection_id", DataType::Utf8, true),
        ArrowField::new("org_id", DataType::Utf8, true),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The example of the contract, word for word.
    const EXAMPLE: &str = include_str!("../wire/event-v1.example.json");

    #[test]
    fn the_contracts_example_is_an_event_and_nothing_of_it_is_lost() {
        let value: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
        let event: Event = serde_json::from_value(value.clone()).unwrap();
        let mut written = serde_json::to_value(&event).unwrap();
        written["time"] = value["time"].clone();
        assert_eq!(event.time, Micros::parse("2026-06-01T09:14:03.221Z"));
        assert_eq!(written, value);
    }

    #[test]
    fn no_field_stands_twice() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
    }

    #[test]
    fn the_rust_type_has_exactly_the_listed_fields() {
        let full = FIELDS.iter().map(|field| (field.name.to_owned(), sample(field.shape)));
        let value = serde_json::Value::Object(full.collect());
        let event: Event = serde_json::from_value(value).unwrap();
        let written = serde_json::to_value(event).unwrap();
        assert_eq!(written.as_object().unwrap().len(), FIELDS.len());
    }

    #[test]
    fn an_event_survives_its_columns() {
        let full = FIELDS.iter().map(|field| (field.name.to_owned(), sample(field.shape)));
        let full: Event = serde_json::from_value(serde_json::Value::Object(full.collect())).unwrap();
        let bare = Event { kind: Some("auth".into()), scopes_granted: Some(Vec::new()), ..Event::default() };
        let events = [full, bare];
        let fields: Vec<_> =
            FIELDS.iter().map(|field| ArrowField::new(field.name, field.shape.arrow(), true)).collect();
        let rows = crate::rows::to_batch(&Arc::new(arrow::datatypes::Schema::new(fields)), &events).unwrap();
        assert_eq!(Event::of_rows(&rows).unwrap(), events);
    }

    fn sample(shape: Shape) -> serde_json::Value {
        use serde_json::json;
        match shape {
            Shape::Text => json!("x"),
            Shape::Int64 | Shape::Int32 => json!(1),
            Shape::Float64 => json!(1.5),
            Shape::Bool => json!(true),
            Shape::Time => json!("2026-06-01T09:14:03.221Z"),
            Shape::TextList => json!(["x"]),
            Shape::Steps => json!([{"name": "auth"}]),
            Shape::TextMap => json!({"k": "v"}),
        }
    }
}
