//! What is other in a document than in the one before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::weekly_report::Changed;
use serde_json::Value;

/// Changes that are told one by one; of others it is said how many there are.
const MOST: usize = 50;
const LONGEST: usize = 200;

/// Members that tell an element of a list from its neighbours.
const NAMES: [&str; 14] = [
    "finding_id",
    "detector_id",
    "name",
    "severity",
    "org_id",
    "source",
    "agent_id",
    "dest_host",
    "provider",
    "connection_id",
    "credential_org_id",
    "target_org_id",
    "key",
    "value",
];

/// Sections, what matters most first: of many changes the first ones are told.
const SECTIONS: [&str; 5] = ["/findings", "/sections", "/coverage", "/other_orgs", "/new_destinations"];

pub(super) fn changes(before: &Value, after: &Value) -> (Vec<Changed>, i64) {
    let mut changed = Vec::new();
    compare("", Some(before), Some(after), &mut changed);
    let section = |one: &Changed| SECTIONS.iter().position(|section| one.what.starts_with(section));
    changed.sort_by_key(|one| section(one).unwrap_or(SECTIONS.len()));
    let more = changed.len().saturating_sub(MOST);
    changed.truncate(MOST);
    (changed, i64::try_from(more).unwrap_or(i64::MAX))
}

/// What is new or gone is one change, however much stands in it.
fn compare(place: &str, before: Option<&Value>, after: Option<&Value>, into: &mut Vec<Changed>) {
    match (before.and_then(members), after.and_then(members)) {
        _ if before == after => {}
        // Charts change with every event; their sums stand elsewhere.
        _ if place.ends_with("/hours") => {}
        (Some(before), Some(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                let place = [place, "/", &escaped(name)].concat();
                compare(&place, before.get(name).copied(), after.get(name).copied(), into);
            }
        }
        _ => into.push(Changed { what: place.to_owned(), before: before.map(told), after: after.map(told) }),
    }
}

/// Parts of an object or a list, by what names them.
fn members(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(members) => Some(members.iter().map(|(name, value)| (name.clone(), value)).collect()),
        Value::Array(values) => {
            let named = values.iter().enumerate();
            Some(named.map(|(number, value)| (name(value).unwrap_or_else(|| number.to_string()), value)).collect())
        }
        _ => None,
    }
}

fn told(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text),
        other => shortened(&other.to_string()),
    }
}

fn name(element: &Value) -> Option<String> {
    if let Value::String(text) = element {
        return Some(text.clone());
    }
    let part = |name: &&str| Some(element.get(*name)?.as_str().unwrap_or("-"));
    let parts: Vec<&str> = NAMES.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// As JSON Pointers write it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn shortened(text: &str) -> String {
    match text.len() <= LONGEST {
        true => text.to_owned(),
        false => [&text[..text.floor_char_boundary(LONGEST)], "..."].concat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_where_it_stands_and_order_is_none() {
        let before = json!({"calls": {"total": 3}, "top": [{"finding_id": "f_a", "events": 1}, {"finding_id": "f_b", "events": 2}]});
        let after = json!({"calls": {"total": 4}, "top": [{"finding_id": "f_b", "events": 2}, {"finding_id": "f_c", "events": 1}]});
        let (changed, more) = changes(&before, &after);
        let told: Vec<_> =
            changed.iter().map(|one| (one.what.as_str(), one.before.as_deref(), one.after.as_deref())).collect();
        let expected = [
            ("/calls/total", Some("3"), Some("4")),
            ("/top/f_a", Some(r#"{"finding_id":"f_a","events":1}"#), None),
            ("/top/f_c", None, Some(r#"{"finding_id":"f_c","events":1}"#)),
        ];
        assert_eq!((told, more), (expected.to_vec(), 0));
        assert_eq!(changes(&after, &after), (Vec::new(), 0));
    }

    #[test]
    fn of_many_changes_the_number_is_told() {
        let many = |value: i64| {
            json!((0..80).map(|number| (format!("k{number}"), json!(value))).collect::<serde_json::Map<_, _>>())
        };
        let (changed, more) = changes(&many(1), &many(2));
        assert_eq!((changed.len(), more), (50, 30));
    }
}
