//! An event that is being read: one value a field, and the attributes. It goes into columns as a whole or not at all.

use std::borrow::Cow;

use credwatch_schemas::event::FIELDS;
use credwatch_schemas::time::Micros;

use crate::canonical::text_of;
use crate::field::{self, EVENT_ID, KIND, ORG_ID, SOURCE, TIME};
use crate::json::Json;
use crate::rejection::Known;
use crate::typed::Value;

#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// The fields that are set, with their index in [`FIELDS`]; most are not.
    values: Vec<(usize, Value<'a>)>,
    /// For each field the place of its value.
    places: [Option<u8>; FIELDS.len()],
    attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The source, where neither payload nor envelope nor binding names one.
    supposed_source: Option<&'static str>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new() -> Self {
        let values = Vec::with_capacity(FIELDS.len());
        Self { values, places: [None; FIELDS.len()], attributes: Vec::new(), supposed_source: None }
    }

    pub(crate) fn set(&mut self, index: usize, value: Value<'a>) {
        const _: () = assert!(FIELDS.len() <= u8::MAX as usize, "a place is a byte");
        match self.places[index] {
            Some(place) => self.values[usize::from(place)].1 = value,
            None => {
                self.places[index] = u8::try_from(self.values.len()).ok();
                self.values.push((index, value));
            }
        }
    }

    /// Sets a field by its name, which must be one.
    pub(crate) fn set_named(&mut self, name: &str, value: Option<Value<'a>>) {
        debug_assert!(field::find(name).is_some(), "{name}");
        if let (Some(index), Some(value)) = (field::find(name), value) {
            self.set(index, value);
        }
    }

    pub(crate) fn set_text(&mut self, name: &str, text: Option<impl Into<Cow<'a, str>>>) {
        self.set_named(name, text.map(|text| Value::Text(text.into())));
    }

    /// Sets a text that overrules what is there; that is kept as an attribute when it says something else.
    pub(crate) fn displace(&mut self, index: usize, kept_as: &'static str, text: Cow<'a, str>) {
        let present = self.text(index).filter(|present| *present != text).map(str::to_owned);
        if let Some(present) = present {
            self.keep(kept_as, Json::Text(Cow::Owned(present)));
        }
        self.set(index, Value::Text(text));
    }

    /// The source that an adapter's records have when nobody names one.
    pub(crate) fn suppose_source(&mut self, source: &'static str) {
        self.supposed_source = Some(source);
    }

    pub(crate) fn settle_source(&mut self) {
        if let Some(source) = self.supposed_source.filter(|_| self.value(SOURCE).is_none()) {
            self.set(SOURCE, Value::Text(Cow::Borrowed(source)));
        }
    }

    pub(crate) fn value(&self, index: usize) -> Option<&Value<'a>> {
        self.places[index].map(|place| &self.values[usize::from(place)].1)
    }

    /// The fields that are set, in any order, each with its index in [`FIELDS`].
    pub(crate) fn values(&self) -> &[(usize, Value<'a>)] {
        &self.values
    }

    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        match self.value(index) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn time(&self) -> Option<Micros> {
        match self.value(TIME) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }

    pub(crate) fn has_kind(&self) -> bool {
        self.text(KIND).is_some_and(|kind| !kind.is_empty())
    }

    /// Keeps a value that has no column; null is absent. Strings stay as they are, all else becomes its JSON text.
    pub(crate) fn keep(&mut self, key: impl Into<Cow<'a, str>>, json: Json<'a>) {
        let text = match json {
            Json::Null => return,
            Json::Text(text) => text,
            other => Cow::Owned(text_of(&other)),
        };
        self.attributes.push((key.into(), text));
    }

    pub(crate) fn attributes(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.attributes
    }

    /// Sorted by key, so that a row does not depend on the order of keys. Of two with one key, which only an adapter
    /// can cause, the second is kept under `<key>#2`.
    pub(crate) fn settle_attributes(&mut self) {
        self.attributes.sort();
        for place in 1..self.attributes.len() {
            if self.attributes[place].0 == self.attributes[place - 1].0 {
                let key = format!("{}#2", self.attributes[place].0);
                self.attributes[place].0 = Cow::Owned(key);
            }
        }
        self.attributes.sort();
        self.attributes.dedup_by(|next, kept| next.0 == kept.0);
    }

    /// What a reject keeps of it.
    pub(crate) fn known(&self) -> Known {
        let text = |index| self.text(index).map(str::to_owned);
        Known { time: self.time(), org_id: text(ORG_ID), source: text(SOURCE), event_id: text(EVENT_ID) }
    }
}
