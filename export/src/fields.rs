//! The fields of an event on their way into a foreign vocabulary: what nobody took is what has no home there.
//!
//! So nothing is dropped by forgetting it: a field that an encoder does not know goes where the rest goes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::stored_event::StoredEvent;

#[derive(Debug)]
pub(crate) struct Fields {
    all: Map<String, Value>,
    taken: BTreeSet<&'static str>,
}

impl Fields {
    /// Every field that the event has; `attributes` is one of them.
    pub(crate) fn of(event: &StoredEvent) -> Self {
        let all = match serde_json::to_value(&event.event) {
            Ok(Value::Object(all)) => all,
            // An event is an object with text keys; there is nothing that could fail.
            Ok(_) | Err(_) => Map::new(),
        };
        Self { all, taken: BTreeSet::new() }
    }

    /// The value, which has a home now.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.taken.insert(name);
        self.all.get(name).cloned()
    }

    /// An address, which has a home now. What is none keeps its old one: readers refuse whole records for it.
    pub(crate) fn take_address(&mut self, name: &'static str) -> Option<Value> {
        self.text(name)?.parse::<std::net::IpAddr>().ok()?;
        self.take(name)
    }

    /// The value, which still needs a home.
    pub(crate) fn see(&self, name: &str) -> Option<Value> {
        self.all.get(name).cloned()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }

    /// One of the producer's own fields.
    pub(crate) fn attribute(&self, name: &str) -> Option<Value> {
        self.all.get("attributes")?.get(name).cloned()
    }

    /// What nobody took.
    pub(crate) fn rest(self) -> Option<Value> {
        let rest: Map<String, Value> =
            self.all.into_iter().filter(|(name, _)| !self.taken.contains(name.as_str())).collect();
        (!rest.is_empty()).then_some(Value::Object(rest))
    }
}

/// An object of what is there; none when nothing is.
pub(crate) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let there: Map<String, Value> = there.collect();
    (!there.is_empty()).then_some(Value::Object(there))
}

/// Puts members that are there into an object.
pub(crate) fn put<const N: usize>(into: &mut Map<String, Value>, members: [(&str, Option<Value>); N]) {
    into.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}
