//! CloudEvents 1.0 are unwrapped before anything else looks at them, in both modes: binary (the envelope stands in `ce_`
//! headers) and structured (it stands around `data`).
//!
//! The envelope's id becomes the event's id and its source the event's source (the binding's first); its time stands in
//! where the data has none. What they displace is kept as an attribute, and so is the rest of the envelope, as `ce_<name>`.

use std::borrow::Cow;

use crate::canonical::{Strings, text_of, write_object};
use crate::draft::Draft;
use crate::field::{EVENT_ID, SOURCE, TIME};
use crate::json::{Json, Member};
use crate::typed::{Value, time};

/// What stands around the data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope<'a> {
    /// All members but the data, by key; `specversion` is not among them.
    members: Vec<Member<'a>>,
}

/// Members that every CloudEvent has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// Members of the envelope that belong to the identity of the event, in canonical order with `data` before them.
const OF_IDENTITY: [&str; 5] = ["id", "source", "subject", "time", "type"];
const DATA: &str = "data";
const HEADER: &str = "ce_";

impl<'a> Envelope<'a> {
    /// The envelope in a message's headers; `None` when it has none. A header that is not text counts as absent.
    pub(crate) fn of_headers(headers: &[(&'a str, &'a [u8])]) -> Option<Self> {
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        let mut members: Vec<Member<'a>> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(HEADER)?, text(value)?)))
            .map(|(name, value)| (Cow::Borrowed(name), Json::Text(Cow::Borrowed(value))))
            .collect();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|next, kept| next.0 == kept.0);
        let envelope = Self { members };
        envelope.is_whole().then(|| envelope.without("specversion"))
    }

    /// Whether an object is a CloudEvent in structured mode.
    pub(crate) fn is_around(object: &Json<'_>) -> bool {
        REQUIRED.iter().all(|key| object.get(key).is_some_and(|value| value.text().is_some()))
    }

    /// Takes a structured CloudEvent apart; its data is null when it has none.
    pub(crate) fn take_apart(members: Vec<Member<'a>>) -> (Self, Json<'a>) {
        let (mut data, mut rest) = (Json::Null, Vec::with_capacity(members.len()));
        for (key, value) in members {
            match key.as_ref() {
                DATA => data = value,
                _ if value == Json::Null => {}
                _ => rest.push((key, value)),
            }
        }
        (Self { members: rest }.without("specversion"), data)
    }

    fn is_whole(&self) -> bool {
        REQUIRED.iter().all(|key| self.get(key).is_some())
    }

    fn without(mut self, key: &str) -> Self {
        self.members.retain(|(name, _)| name != key);
        self
    }

    fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// About how much of it every value of a list repeats.
    pub(crate) fn bytes(&self) -> usize {
        let value = |json: &Json<'_>| json.text().map_or_else(|| text_of(json).len(), str::len);
        self.members.iter().map(|(key, json)| key.len() + value(json)).sum()
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member<'a>> {
        self.members.iter_mut()
    }

    /// The canonical form of the event for its content hash. It is the same in both modes. The keys of `data` are sorted.
    pub(crate) fn write_canonical(&self, data: &Json<'_>, strings: Strings<'_>, out: &mut Vec<u8>) {
        let data = (*data != Json::Null).then_some((DATA, data));
        let rest = OF_IDENTITY.iter().filter_map(|key| Some((*key, self.get(key)?)));
        write_object(data.into_iter().chain(rest), strings, out);
    }

    /// Fills in what the envelope says. `place` is the place in a list of data, whose values share one envelope.
    pub(crate) fn fill(self, draft: &mut Draft<'a>, place: Option<usize>) {
        for (key, value) in self.members {
            match (key.as_ref(), value) {
                ("id", Json::Text(id)) => {
                    let id = place.map_or(id.clone(), |place| Cow::Owned(format!("{id}/{place}")));
                    draft.displace(EVENT_ID, "data.event_id", id);
                }
                ("source", Json::Text(source)) => draft.displace(SOURCE, "data.source", source),
                ("time", value) if draft.value(TIME).is_none() && time(&value).is_some() => {
                    draft.set_named("time", time(&value).map(Value::Time));
                }
                (_, value) => draft.keep(format!("{HEADER}{key}"), value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::sort_keys;
    use crate::json::{Document, read};

    const STRUCTURED: &str = r#"{"type":"t","specversion":"1.0","source":"s","id":"1","data":{"b":1,"a":2},"time":"2026-06-01T00:00:00Z","region":"eu"}"#;

    fn apart(text: &str) -> (Envelope<'_>, Json<'_>) {
        let Ok(Document::One(mut json)) = read(text, 64) else { panic!() };
        sort_keys(&mut json).unwrap();
        assert!(Envelope::is_around(&json));
        let Json::Object(members) = json else { panic!() };
        Envelope::take_apart(members)
    }

    fn canonical(envelope: &Envelope<'_>, data: &Json<'_>) -> String {
        let mut out = Vec::new();
        envelope.write_canonical(data, Strings::AsTheyAre, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_modes_have_one_identity() {
        let (structured, data) = apart(STRUCTURED);
        let headers: &[(&str, &[u8])] = &[
            ("ce_type", b"t"),
            ("ce_specversion", b"1.0"),
            ("other", b"x"),
            ("ce_id", b"1"),
            ("ce_source", b"s"),
            ("ce_time", b"2026-06-01T00:00:00Z"),
            ("ce_region", b"us"),
        ];
        let binary = Envelope::of_headers(headers).unwrap();
        let expected = r#"{"data":{"a":2,"b":1},"id":"1","source":"s","time":"2026-06-01T00:00:00Z","type":"t"}"#;
        assert_eq!(canonical(&structured, &data), expected);
        assert_eq!(canonical(&binary, &data), expected);
    }

    #[test]
    fn headers_that_lack_a_required_one_are_no_envelope() {
        assert_eq!(Envelope::of_headers(&[("ce_id", b"1"), ("ce_source", b"s")]), None);
        assert_eq!(Envelope::of_headers(&[]), None);
    }

    #[test]
    fn the_envelope_names_the_event_and_nothing_of_it_is_lost() {
        let (envelope, _) = apart(STRUCTURED);
        let mut draft = Draft::new();
        draft.set(EVENT_ID, Value::Text("own".into()));
        envelope.fill(&mut draft, None);
        draft.settle_attributes();
        assert_eq!((draft.text(EVENT_ID), draft.text(SOURCE)), (Some("1"), Some("s")));
        assert!(draft.time().is_some());
        let attributes: Vec<_> = draft.attributes().iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        assert_eq!(attributes, [("ce_region", "eu"), ("ce_type", "t"), ("data.event_id", "own")]);
    }

    #[test]
    fn values_of_one_list_get_ids_of_their_own() {
        let (envelope, _) = apart(STRUCTURED);
        let mut draft = Draft::new();
        envelope.fill(&mut draft, Some(2));
        assert_eq!(draft.text(EVENT_ID), Some("1/2"));
    }
}
