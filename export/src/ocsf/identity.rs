//! Identity and access: authentications, sessions, privileges, accounts, and what a broker manages.

use serde_json::{Map, Value, json};

use super::{Activity, Class, actor, begin, destination, request, response, session, source, user};
use crate::fields::{Fields, object, put};

const IDENTITY: u32 = 3;
const OAUTH: u32 = 6;
const REFRESH_TOKEN: u32 = 4;

/// A login or logout at the broker, or a token that was issued, exchanged or refreshed.
pub(super) fn authentication(fields: &mut Fields) -> Map<String, Value> {
    let activity = match (fields.text("kind"), fields.text("operation")) {
        (Some("token_refresh"), _) => Activity::other("Token Refresh"),
        (_, Some(operation)) if operation.contains("logout") => Activity::known(2),
        (_, Some(operation)) if ["token", "exchange", "issue"].iter().any(|word| operation.contains(word)) => {
            Activity::other("Token Issue")
        }
        _ => Activity::known(1),
    };
    let mut record = begin(Class { category: IDENTITY, uid: 3002 }, activity);
    let service = fields.take("provider").or_else(|| fields.see("source")).unwrap_or_else(|| "Unknown".into());
    let token = fields.take("refresh_token_fp").map(|uid| json!({"uid": uid, "type_id": REFRESH_TOKEN}));
    let who = user(fields);
    put(
        &mut record,
        [
            ("user", Some(who)),
            ("service", object([("name", Some(service))])),
            ("session", session(fields)),
            ("actor", agent(fields)),
            ("src_endpoint", source(fields)),
            ("http_request", request(fields)),
            ("dst_endpoint", destination(fields)),
            ("http_response", response(fields)),
            ("auth_protocol_id", Some(OAUTH.into())),
            ("authentication_token", token),
        ],
    );
    record
}

/// A connection or a consent: a session that was given privileges.
pub(super) fn authorization(fields: &mut Fields) -> Map<String, Value> {
    let mut record = begin(Class { category: IDENTITY, uid: 3003 }, Activity::known(1));
    let who = user(fields);
    put(
        &mut record,
        [
            ("user", Some(who)),
            ("session", session(fields)),
            ("privileges", Some(privileges(fields))),
            ("actor", agent(fields)),
            ("src_endpoint", source(fields)),
            ("dst_endpoint", destination(fields)),
        ],
    );
    record
}

/// Scopes that were given or taken back, and who approved it.
pub(super) fn access(fields: &mut Fields) -> Map<String, Value> {
    let taken_back = |operation: &str| ["revok", "remov", "narrow"].iter().any(|word| operation.contains(word));
    let activity = if fields.text("operation").is_some_and(taken_back) { 2 } else { 1 };
    let mut record = begin(Class { category: IDENTITY, uid: 3005 }, Activity::known(activity));
    let approver = fields.take("approver_id").map(|uid| json!({"user": {"uid": uid, "type_id": 1}}));
    let who = user(fields);
    put(
        &mut record,
        [
            ("user", Some(who)),
            ("privileges", Some(privileges(fields))),
            ("actor", approver.or_else(|| actor(fields))),
            ("src_endpoint", source(fields)),
        ],
    );
    record
}

/// The status of whoever owns a credential.
pub(super) fn account(fields: &mut Fields) -> Map<String, Value> {
    let activity = match fields.text("owner_status") {
        Some("active") => Activity::known(2),
        Some("suspended") => Activity::known(9),
        Some("deprovisioned") => Activity::known(5),
        other => Activity::other(other.unwrap_or("Owner Status Changed")),
    };
    let mut record = begin(Class { category: IDENTITY, uid: 3001 }, activity);
    let service = fields.text("owner_kind") == Some("service");
    let who = match fields.take("owner_id") {
        Some(uid) => json!({"uid": uid, "type_id": if service { 4 } else { 1 }}),
        None => user(fields),
    };
    put(&mut record, [("user", Some(who)), ("actor", actor(fields)), ("src_endpoint", source(fields))]);
    record
}

/// What a broker manages: connections, credentials, secrets, clients, prompts, allow-lists.
pub(super) fn entity(fields: &mut Fields, kind: &str) -> Map<String, Value> {
    let (activity, entity, names) = managed(kind);
    let mut record = begin(Class { category: IDENTITY, uid: 3004 }, Activity::known(activity));
    let uid = names.iter().find_map(|name| fields.take(name));
    let unknown = if uid.is_some() { None } else { Some("Unknown".into()) };
    let entity = object([
        ("type", Some(entity.into())),
        ("type_id", Some(super::OTHER.into())),
        ("uid", uid),
        ("name", unknown),
        ("org", object([("uid", fields.see("org_id"))])),
    ]);
    put(&mut record, [("entity", entity), ("actor", actor(fields)), ("src_endpoint", source(fields))]);
    record
}

/// What was done, to what, and which fields may name it.
fn managed(kind: &str) -> (u32, &'static str, &'static [&'static str]) {
    const CONNECTION: &[&str] = &["connection_id"];
    const CREDENTIAL: &[&str] = &["credential_id", "connection_id"];
    match kind {
        "token_revocation" => (11, "Connection", CONNECTION),
        "connection_deleted" => (4, "Connection", CONNECTION),
        "reauth_requested" => (12, "Connection", CONNECTION),
        "reauth_completed" => (13, "Connection", CONNECTION),
        "credential_created" => (1, "Credential", CREDENTIAL),
        "credential_exported" => (2, "Credential", CREDENTIAL),
        "credential_deleted" => (4, "Credential", CREDENTIAL),
        "secret_rotated" => (3, "Secret", &["key_id", "credential_id"]),
        "client_registration" => (1, "Client", &["client_id_uri"]),
        "allowlist_change" => (3, "Allow-list", &["resource", "dest_host"]),
        "prompt_promoted" => (3, "Prompt", &["prompt_id"]),
        // A rotated token.
        _ => (3, "Connection", CONNECTION),
    }
}

/// The class demands them; that nobody knows which is said as such.
fn privileges(fields: &mut Fields) -> Value {
    fields.take("scopes_granted").unwrap_or_else(|| json!(["Unknown"]))
}

/// The agent alone: the person stands in `user`.
fn agent(fields: &mut Fields) -> Option<Value> {
    let name = fields.attribute("agent_name");
    object([("app_uid", fields.take("agent_id")), ("app_name", name)])
}
