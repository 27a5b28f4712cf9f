//! What orgs have set, and when it held: for whoever looks.

use std::collections::BTreeMap;

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;
use serde::Serialize;

use super::time;
use crate::configuration::Configuration;

/// A value of an org, and the event time in which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub org_id: OrgId,
    pub key: String,
    pub value: String,
    /// `None` is the beginning.
    pub from_time: Option<Micros>,
    /// `None`: it holds still.
    pub until_time: Option<Micros>,
}

/// Every value that was ever set, by org, key, value and time.
pub(crate) fn held(known: &Configuration) -> Vec<Held> {
    let mut all = Vec::new();
    for (org, key) in known.keys_of_orgs() {
        all.extend(held_of(org, key, &known.values(org, key)));
    }
    all.sort_by(|a, b| (&a.org_id, &a.key, &a.value, a.from_time).cmp(&(&b.org_id, &b.key, &b.value, b.from_time)));
    all
}

fn held_of(org: &OrgId, key: &str, values: &BTreeMap<Micros, Vec<String>>) -> Vec<Held> {
    let mut began: BTreeMap<&String, Micros> = BTreeMap::new();
    let mut all = Vec::new();
    let one = |value: &String, from: Micros, until: Option<Micros>| Held {
        org_id: org.clone(),
        key: key.to_owned(),
        value: value.clone(),
        from_time: time(from),
        until_time: until,
    };
    for (now, there) in values {
        let ended: Vec<_> = began.extract_if(.., |value, _| !there.contains(value)).collect();
        all.extend(ended.into_iter().map(|(value, from)| one(value, from, Some(*now))));
        for value in there {
            began.entry(value).or_insert(*now);
        }
    }
    all.extend(began.into_iter().map(|(value, from)| one(value, from, None)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org_setting::edit::tests::{add, after, remove};

    #[test]
    fn a_list_of_what_held_says_from_when_until_when() {
        let known = after(&[(add("org_b"), None), (add("org_c"), Some(100)), (remove("org_b"), Some(200))]);
        let told: Vec<_> = held(&known)
            .into_iter()
            .map(|held| (held.value, held.from_time.map(|time| time.0), held.until_time.map(|time| time.0)))
            .collect();
        assert_eq!(told, [("org_b".to_owned(), None, Some(200)), ("org_c".to_owned(), Some(100), None)]);
    }

    #[test]
    fn what_is_allowed_until_a_time_ends_there_and_what_was_allowed_before_goes_on() {
        let ending = |until| add("org_b").ending(Some(Micros(until)));
        let told = |edits: &[_]| -> Vec<_> {
            let held = held(&after(edits)).into_iter();
            held.map(|held| (held.value, held.from_time.map(|time| time.0), held.until_time.map(|time| time.0)))
                .collect()
        };
        let (b, c) = ("org_b".to_owned(), "org_c".to_owned());
        let once = (add("org_c"), None);
        assert_eq!(
            told(&[once.clone(), (ending(300), Some(100))]),
            [(b.clone(), Some(100), Some(300)), (c.clone(), None, None)]
        );
        assert_eq!(
            told(&[once.clone(), (add("org_b"), Some(200)), (ending(300), Some(100))]),
            [(b, Some(100), None), (c.clone(), None, None)],
            "what somebody allowed without end has none"
        );
        assert_eq!(
            told(&[once, (ending(50), Some(100))]),
            [(c, None, None)],
            "an end before the beginning allows nothing"
        );
    }
}
