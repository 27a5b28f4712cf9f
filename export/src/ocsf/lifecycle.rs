//! Application Lifecycle: an agent was deployed, began, or is alive.

use serde_json::{Map, Value};

use super::{Activity, Class, begin};
use crate::fields::{Fields, object, put};

pub(super) fn application(fields: &mut Fields, kind: &str) -> Map<String, Value> {
    let activity = match kind {
        "startup_probe" => Activity::known(3),
        "deploy" => Activity::known(8),
        _ => Activity::other("Heartbeat"),
    };
    let mut record = begin(Class { category: 6, uid: 6002 }, activity);
    let uid = fields.take("agent_id").or_else(|| fields.see("source"));
    let unknown = if uid.is_some() { None } else { Some("Unknown".into()) };
    let app = object([("uid", uid), ("name", unknown), ("version", fields.take("agent_version"))]);
    put(&mut record, [("app", app)]);
    record
}
