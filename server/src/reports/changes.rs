//! What is other in a document than in the one before. Pure.

use std::collections::BTreeMap;

use credwatch_schemas::weekly_report::Changed;
use serde_json::Value;

/// Changes that are told one by one; of others it is said how many there are.
const MOST: usize = 50;
const LONGEST: usize = 200;

/// Members that tell an element of a list from its neighbours.
const NAMES: [&str; 8] =
    ["finding_id", "detector_id", "severity", "org_id", "agent_id", "dest_host", "provider", "source"];

pub(super) fn changes(before: &Value, after: &Value) -> (Vec<Changed>, i64) {
    let (before, after) = (values(before), values(after));
    let mut changed: Vec<Changed> = Vec::new();
    for what in before.keys().chain(after.keys().filter(|what| !before.contains_key(*what))) {
        let (before, after) = (before.get(what), after.get(what));
        if before != after {
            changed.push(Changed { what: what.clone(), before: before.cloned(), after: after.cloned() });
        }
    }
    changed.sort_by(|one, other| one.what.cmp(&other.what));
    let more = changed.len().saturating_sub(MOST);
    changed.truncate(MOST);
    (changed, i64::try_from(more).unwrap_or(i64::MAX))
}

/// Every single value by where it stands.
fn values(document: &Value) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    collect(document, "", &mut values);
    values
}

fn collect(value: &Value, place: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, &[place, "/", &escaped(name)].concat(), into);
            }
        }
        // Charts change with every event; their sums stand elsewhere.
        Value::Array(_) if place.ends_with("/hours") => {}
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                let name = name(value).unwrap_or_else(|| number.to_string());
                collect(value, &[place, "/", &escaped(&name)].concat(), into);
            }
        }
        Value::String(text) => drop(into.insert(place.to_owned(), shortened(text))),
        other => drop(into.insert(place.to_owned(), other.to_string())),
    }
}

fn name(element: &Value) -> Option<String> {
    if let Value::String(text) = element {
        return Some(text.clone());
    }
    let parts: Vec<&str> = NAMES.iter().filter_map(|name| element.get(name)?.as_str()).collect();
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
            ("/top/f_a/events", Some("1"), None),
            ("/top/f_a/finding_id", Some("f_a"), None),
            ("/top/f_c/events", None, Some("1")),
            ("/top/f_c/finding_id", None, Some("f_c")),
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
