//! OCSF as earlier versions have it, for readers that know no newer one. An attribute that a version lacks is not dropped: it
//! stands under `unmapped.credwatch.ocsf`, by the path that 1.8.0 has for it.
//!
//! What each version lacks was found by validating every golden record against its compiled schema; a test does so again.

use serde_json::{Map, Value, json};

/// A version of OCSF that rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OcsfVersion {
    #[default]
    V1_8,
    V1_5,
    V1_3,
}

/// Attributes that are younger than 1.5.0.
const AFTER_1_5: [&str; 5] = [
    "ai_model",
    "api.token",
    "authentication_token.uid",
    "metadata.original_event_uid",
    "actor.authorizations.policy.type",
];
/// Attributes of our classes that are younger than 1.3.0, besides those.
const AFTER_1_3: [&str; 8] = [
    "authentication_token",
    "anomaly_analyses",
    "http_response",
    "trace",
    "action_id",
    "disposition_id",
    "is_alert",
    "finding_info.related_events_count",
];
/// Authorize Session, Entity Management, User Access: in 1.3.0 only the profile of hosts gives them an actor.
const ACTOR_BY_HOST: [u64; 3] = [3003, 3004, 3005];
const SERVICE: u64 = 4;
const OTHER: u64 = 99;

impl OcsfVersion {
    pub const ALL: [Self; 3] = [Self::V1_8, Self::V1_5, Self::V1_3];

    pub fn number(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
            Self::V1_5 => "1.5.0",
            Self::V1_3 => "1.3.0",
        }
    }

    fn lacks(self) -> impl Iterator<Item = &'static str> {
        let (after_1_3, after_1_5): (&[_], &[_]) = match self {
            Self::V1_8 => (&[], &[]),
            Self::V1_5 => (&[], &AFTER_1_5),
            Self::V1_3 => (&AFTER_1_3, &AFTER_1_5),
        };
        after_1_5.iter().chain(after_1_3).copied()
    }

    fn profiles(self) -> &'static [&'static str] {
        match self {
            Self::V1_8 => &["ai_operation", "trace", "security_control", "host"],
            Self::V1_5 => &["trace", "security_control", "host"],
            Self::V1_3 => &["host"],
        }
    }
}

/// A record of 1.8.0, as `version` has it.
pub(super) fn as_of(version: OcsfVersion, mut record: Value) -> Value {
    if version == OcsfVersion::V1_8 {
        return record;
    }
    let moved: Map<String, Value> = version
        .lacks()
        .filter_map(|path| {
            let steps: Vec<&str> = path.split('.').collect();
            Some((path.to_owned(), take(&mut record, &steps)?))
        })
        .collect();
    if !moved.is_empty() {
        record["unmapped"]["credwatch"]["ocsf"] = moved.into();
    }
    retell_users(&mut record);
    if let Some(app) = record.get_mut("app").filter(|_| version == OcsfVersion::V1_3) {
        // It demands one, and nobody said any.
        app["vendor_name"] = "Unknown".into();
    }
    settle_profiles(version, &mut record);
    record["metadata"]["version"] = version.number().into();
    record
}

/// Takes what stands at a path; of a list, what stands there in each of its values.
fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    match (value, path) {
        (Value::Array(values), _) => {
            let taken: Vec<Value> = values.iter_mut().filter_map(|value| take(value, path)).collect();
            (!taken.is_empty()).then_some(Value::Array(taken))
        }
        (Value::Object(members), [last]) => members.shift_remove(*last),
        (Value::Object(members), [first, rest @ ..]) => take(members.get_mut(*first)?, rest),
        _ => None,
    }
}

/// That an account is a service's has no number before 1.6.0, but a word.
fn retell_users(record: &mut Value) {
    if let Some(user) = record.get_mut("user").filter(|user| user["type_id"] == SERVICE) {
        user["type_id"] = OTHER.into();
        user["type"] = "Service".into();
    }
}

/// The profiles that are left, and the one that what is left needs.
fn settle_profiles(version: OcsfVersion, record: &mut Value) {
    let needs_host = version == OcsfVersion::V1_3
        && record.get("actor").is_some()
        && record["class_uid"].as_u64().is_some_and(|class| ACTOR_BY_HOST.contains(&class));
    let said = record["metadata"]["profiles"].as_array().cloned().unwrap_or_default();
    let kept = said.into_iter().filter(|one| one.as_str().is_some_and(|one| version.profiles().contains(&one)));
    let all: Vec<Value> = kept.chain(needs_host.then(|| "host".into())).collect();
    let Some(metadata) = record["metadata"].as_object_mut() else { return };
    if all.is_empty() {
        metadata.shift_remove("profiles");
    } else {
        metadata.insert("profiles".to_owned(), json!(all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_lacks_is_kept_by_its_path_and_the_rest_stays_where_it_is() {
        let policy = |name: &str| json!({"policy": {"name": name, "type": "oauth_scope"}});
        let record = json!({
            "class_uid": 6003,
            "actor": {"authorizations": [policy("a"), policy("b")]},
            "http_response": {"code": 200},
            "ai_model": {"name": "large"},
            "metadata": {"version": "1.8.0", "profiles": ["trace", "ai_operation"]},
            "trace": {"uid": "t"},
        });
        let earlier = as_of(OcsfVersion::V1_5, record.clone());
        assert_eq!(earlier["metadata"], json!({"version": "1.5.0", "profiles": ["trace"]}));
        assert_eq!(earlier["actor"], json!({"authorizations": [{"policy": {"name": "a"}}, {"policy": {"name": "b"}}]}));
        let kept =
            json!({"ai_model": {"name": "large"}, "actor.authorizations.policy.type": ["oauth_scope", "oauth_scope"]});
        assert_eq!(earlier["unmapped"]["credwatch"]["ocsf"], kept);
        let earliest = as_of(OcsfVersion::V1_3, record.clone());
        assert_eq!(earliest["metadata"], json!({"version": "1.3.0"}));
        assert_eq!(earliest["unmapped"]["credwatch"]["ocsf"]["http_response"], json!({"code": 200}));
        assert_eq!(as_of(OcsfVersion::V1_8, record.clone()), record);
    }

    #[test]
    fn an_actor_keeps_its_place_by_a_profile_that_has_one() {
        let record = json!({"class_uid": 3004, "actor": {"app_name": "x"}, "metadata": {"version": "1.8.0"}});
        let earliest = as_of(OcsfVersion::V1_3, record.clone());
        assert_eq!((&earliest["actor"], &earliest["metadata"]["profiles"]), (&record["actor"], &json!(["host"])));
        assert_eq!(as_of(OcsfVersion::V1_5, record)["metadata"], json!({"version": "1.5.0"}));
    }
}
