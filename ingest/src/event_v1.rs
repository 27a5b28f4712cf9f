//! The adapter of our own contract: one flat object, read by the list of fields.
//!
//! The order of its checks is fixed, so that a record with several faults always names the same one: a time that cannot
//! be read, attributes, then the fields in the order of the columns. What is missing is checked later, because an
//! envelope may bring it.

use std::borrow::Cow;
use std::collections::HashSet;

use credwatch_schemas::event::FIELDS;
use credwatch_schemas::reject::Reason;

use crate::draft::Draft;
use crate::field::{self, ATTRIBUTES, KIND, TIME};
use crate::json::{Json, Member};
use crate::rejection::Rejection;
use crate::typed::{Leftover, Value, WrongType, time, typed, wrong};

/// Whether an object may be meant as an event of this contract.
pub(crate) fn recognises(object: &Json<'_>) -> bool {
    object.get(FIELDS[TIME].name).is_some() || object.get(FIELDS[KIND].name).is_some()
}

/// Reads an object into `draft`. After an error the draft holds what is known of it all the same.
pub(crate) fn read<'a>(members: Vec<Member<'a>>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
    let mut rest = Rest::default();
    let mut is_time_readable = true;
    for (key, json) in members {
        match field::find(&key) {
            _ if json == Json::Null => {}
            Some(TIME) => match time(&json) {
                Some(time) => draft.set(TIME, Value::Time(time)),
                None => is_time_readable = false,
            },
            Some(ATTRIBUTES) => rest.attributes = Some(json),
            Some(index) => rest.read_field(index, json, draft),
            None => rest.others.push((key, json)),
        }
    }
    if !is_time_readable {
        return Err(Rejection::new(Reason::BadTime, "its time is not one that can be read"));
    }
    rest.settle(draft)
        .map_err(|(name, WrongType(what))| Rejection::new(Reason::WrongType, format!("its field {name:?} is {what}")))
}

/// What goes into no column of its own, and the fault that will be named.
#[derive(Default)]
struct Rest<'a> {
    attributes: Option<Json<'a>>,
    /// Members without a field.
    others: Vec<Member<'a>>,
    /// Of steps.
    leftovers: Vec<Leftover<'a>>,
    /// Of the first field, in the order of the columns, that has another type.
    wrong: Option<(usize, WrongType)>,
}

type Wrong = (&'static str, WrongType);

impl<'a> Rest<'a> {
    fn read_field(&mut self, index: usize, json: Json<'a>, draft: &mut Draft<'a>) {
        match typed(FIELDS[index].shape, json, &mut self.leftovers) {
            Ok(value) => draft.set(index, value),
            Err(wrong) if self.wrong.as_ref().is_none_or(|(first, _)| index < *first) => {
                self.wrong = Some((index, wrong));
            }
            Err(_) => {}
        }
    }

    fn settle(self, draft: &mut Draft<'a>) -> Result<(), Wrong> {
        keep_others(self.others, self.attributes, draft)?;
        if let Some((index, wrong)) = self.wrong {
            return Err((FIELDS[index].name, wrong));
        }
        for (number, key, json) in self.leftovers {
            draft.keep(format!("steps.{number}.{key}"), json);
        }
        Ok(())
    }
}

/// Members without a field become attributes, beside those that the producer named so. Where both have one key, the
/// producer's attribute is kept under `attributes.<key>`.
fn keep_others<'a>(others: Vec<Member<'a>>, attributes: Option<Json<'a>>, draft: &mut Draft<'a>) -> Result<(), Wrong> {
    let named = match attributes {
        None => Vec::new(),
        Some(Json::Object(members)) => members,
        Some(other) => return Err(("attributes", wrong("an object", &other))),
    };
    let taken: HashSet<&str> =
        if named.is_empty() { HashSet::new() } else { others.iter().map(|(key, _)| key.as_ref()).collect() };
    for (key, json) in named {
        let key = if taken.contains(key.as_ref()) { Cow::Owned(format!("attributes.{key}")) } else { key };
        draft.keep(key, json);
    }
    for (key, json) in others {
        draft.keep(key, json);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, read as read_json};
    use credwatch_schemas::time::Micros;

    fn read_text(text: &str) -> (Draft<'_>, Result<(), Rejection>) {
        let Ok(Document::One(Json::Object(members))) = read_json(text, 64) else { panic!("{text}") };
        let mut draft = Draft::new();
        let read = read(members, &mut draft);
        draft.settle_attributes();
        (draft, read)
    }

    fn attributes(text: &str) -> Vec<(String, String)> {
        let (draft, read) = read_text(text);
        read.unwrap();
        draft.attributes().iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn null_is_absent() {
        let (draft, read) =
            read_text(r#"{"time":1780305243,"kind":"auth","status":null,"zone":null,"attributes":null}"#);
        assert_eq!(read, Ok(()));
        assert_eq!(draft.time(), Some(Micros(1_780_305_243_000_000)));
        assert_eq!(draft.values().len(), 2);
        assert!(draft.attributes().is_empty());
    }

    #[test]
    fn what_has_no_column_is_kept_as_text() {
        let text = r#"{"time":1780305243,"kind":"auth","n":1.50,"o":{"b":[1,null],"a":"x"},"s":"t","f":false}"#;
        let expected = [pair("f", "false"), pair("n", "1.5"), pair("o", r#"{"b":[1,null],"a":"x"}"#), pair("s", "t")];
        assert_eq!(attributes(text), expected);
    }

    #[test]
    fn the_producers_own_attributes_merge() {
        let text = r#"{"time":1780305243,"kind":"auth","a":"1","attributes":{"a":"2","b":"3","c":null}}"#;
        assert_eq!(attributes(text), [pair("a", "1"), pair("attributes.a", "2"), pair("b", "3")]);
    }

    #[test]
    fn of_several_faults_the_first_column_is_named_whatever_the_order() {
        for text in [
            r#"{"time":1780305243,"kind":"auth","status":"x","user_id":7,"org_id":"o"}"#,
            r#"{"org_id":"o","user_id":7,"status":"x","kind":"auth","time":1780305243}"#,
        ] {
            let (draft, read) = read_text(text);
            let rejection = read.unwrap_err();
            assert_eq!(rejection.reason, Reason::WrongType);
            assert_eq!(rejection.detail, r#"its field "user_id" is a number where a string is expected"#);
            assert_eq!(draft.known().org_id.as_deref(), Some("o"));
            assert!(draft.known().time.is_some());
        }
    }

    #[test]
    fn steps_keep_their_unknown_members() {
        let text =
            r#"{"time":1780305243,"kind":"tool_call","steps":[{"name":"auth"},{"name":"audit_log","took_ms":4}]}"#;
        assert_eq!(attributes(text), [pair("steps.1.took_ms", "4")]);
    }
}
