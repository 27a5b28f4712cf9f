//! API Activity: a call that a broker carried out or refused, and every kind that no other class fits.

use serde_json::{Map, Value, json};

use super::{Activity, Class, actor, begin, destination, outcome, request, response, source};
use crate::fields::{Fields, object, put};

const CLASS: Class = Class { category: 6, uid: 6003 };

pub(super) fn call(fields: &mut Fields, kind: &str) -> Map<String, Value> {
    let mut record = begin(CLASS, activity(fields, kind));
    let (_, is_denied) = outcome(fields);
    let operation = operation(fields, kind);
    let authorizations = authorizations(fields);
    let mut profiles: Vec<&str> = Vec::new();
    let trace = object([("uid", fields.take("trace_id"))]);
    let model = model(fields);
    profiles.extend(trace.is_some().then_some("trace"));
    profiles.extend(model.is_some().then_some("ai_operation"));
    profiles.extend(is_denied.then_some("security_control"));
    let token = object([("uid", fields.see("token_fp")), ("type_id", fields.see("token_fp").map(|_| 7.into()))]);
    let mut who = actor(fields).unwrap_or_default();
    if let (Some(authorizations), Some(actor)) = (authorizations, who.as_object_mut()) {
        actor.insert("authorizations".to_owned(), authorizations);
    }
    put(
        &mut record,
        [
            ("actor", Some(who)),
            ("api", object([("operation", Some(operation)), ("service", service(fields)), ("token", token)])),
            ("src_endpoint", source(fields).or_else(|| object([("name", Some("Unknown".into()))]))),
            ("http_request", request(fields)),
            ("dst_endpoint", destination(fields)),
            ("http_response", response(fields)),
            ("resources", resources(fields)),
            ("trace", trace),
            ("ai_model", model),
            ("action_id", is_denied.then(|| 2.into())),
            ("disposition_id", is_denied.then(|| 2.into())),
            ("profiles", (!profiles.is_empty()).then(|| json!(profiles))),
        ],
    );
    record
}

fn activity(fields: &Fields, kind: &str) -> Activity {
    match (kind, fields.text("method")) {
        ("prompt_resolved" | "audit_read", _) | ("tool_call", Some("GET" | "HEAD")) => Activity::known(2),
        ("tool_call", Some("POST")) => Activity::known(1),
        ("tool_call", Some("PUT" | "PATCH")) => Activity::known(3),
        ("tool_call", Some("DELETE")) => Activity::known(4),
        (other, _) => Activity::other(other),
    }
}

/// The class demands one: the tool's, else what the call said, else the kind itself.
fn operation(fields: &mut Fields, kind: &str) -> Value {
    let said = match (fields.text("method"), fields.text("path")) {
        (Some(method), Some(path)) => Some(format!("{method} {path}").into()),
        _ => None,
    };
    fields.take("operation").or(said).unwrap_or_else(|| kind.into())
}

fn service(fields: &mut Fields) -> Option<Value> {
    object([("name", fields.take("provider"))])
}

/// Each granted scope, and which of them allowed the call.
fn authorizations(fields: &mut Fields) -> Option<Value> {
    let used = fields.take("scope_used");
    let granted = fields.take("scopes_granted").and_then(|granted| granted.as_array().cloned()).unwrap_or_default();
    let unlisted = used.clone().filter(|used| !granted.contains(used));
    let policy = |scope: Value| {
        let is_applied = used.as_ref() == Some(&scope);
        json!({"policy": {"name": scope, "type": "oauth_scope", "is_applied": is_applied}})
    };
    let all: Vec<Value> = granted.into_iter().chain(unlisted).map(policy).collect();
    (!all.is_empty()).then(|| all.into())
}

/// The connection with what kind of credential it is, and what was touched.
fn resources(fields: &mut Fields) -> Option<Value> {
    let class = fields.see("connection_id").and_then(|_| fields.take("credential_class")).map(|class| json!([class]));
    let connection = fields.see("connection_id");
    let kind = connection.as_ref().map(|_| "connection".into());
    let touched = fields.take("resource");
    let kind_of_touched = touched.as_ref().map(|_| "target".into());
    let all: Vec<Value> = [
        object([("uid", connection), ("type", kind), ("labels", class)]),
        object([("uid", touched), ("type", kind_of_touched)]),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!all.is_empty()).then(|| all.into())
}

/// The class wants the model's provider and name; a version alone has no home.
fn model(fields: &mut Fields) -> Option<Value> {
    let (provider, name) = (fields.attribute("model_provider")?, fields.attribute("model")?);
    object([("ai_provider", Some(provider)), ("name", Some(name)), ("version", fields.take("model_version"))])
}
