//! Stories side by side in one lake, each with orgs of its own. Commits and plans cost time, not insight: ten stories
//! told together cost what one costs, and each of them must still end as it ends alone.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_detectors::definition::{Definition, Expected, Judged, Scope, Story};
use credwatch_detectors::stories::{Telling, Told};
use credwatch_schemas::event::Event;
use credwatch_schemas::time::Micros;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A story of at most so many events is told one by one; the others in so many portions.
const PORTIONS: usize = 3;

/// Where an org can be named in an event.
const ORGS: [&str; 3] = ["org_id", "credential_org_id", "target_org_id"];

/// Stories that begin and end alike.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// What all of them say of the lake: learning, end, settings.
    pub(crate) whole: Story,
    /// Their orgs are renamed after their places.
    pub(crate) stories: Vec<Story>,
    events: Vec<Vec<Event>>,
}

/// The order of a story's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Shuffled, in one portion.
    AtOnce,
    /// The clock comes with the last.
    ByTime,
    /// The same, from the last to the first.
    Reversed,
    /// The clock stands at the end from the first portion on: everything is late.
    Shuffled,
}

pub(crate) fn shelves(definition: &Definition) -> Vec<Shelf> {
    let mut kinds: BTreeMap<Kind, Vec<&Story>> = BTreeMap::new();
    for (place, story) in definition.stories.iter().enumerate() {
        kinds.entry(Kind::of(definition, place, story)).or_default().push(story);
    }
    kinds.into_iter().map(|(kind, stories)| Shelf::of(definition, kind, &stories)).collect()
}

/// What must be alike for stories to share a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    learn_until: Option<Micros>,
    /// Eager detectors do not look at the clock.
    until: Option<Micros>,
    /// Nobody can rename the org of an event that has none: its story is told alone.
    alone: Option<usize>,
}

impl Kind {
    fn of(definition: &Definition, place: usize, story: &Story) -> Self {
        let events = story.written_events().unwrap();
        let end = story.until.or(events.iter().filter_map(|event| event.time).max());
        Self {
            learn_until: story.learn_until,
            until: end.filter(|_| definition.judged != Judged::Eager),
            alone: events.iter().any(|event| event.org_id.is_none()).then_some(place),
        }
    }
}

impl Shelf {
    fn of(definition: &Definition, kind: Kind, stories: &[&Story]) -> Self {
        let mut shelf = Self { whole: empty(kind), stories: Vec::new(), events: Vec::new() };
        for (place, story) in stories.iter().enumerate() {
            let names = Names::of(definition, place, story, kind.alone.is_some());
            let mut renamed = (*story).clone();
            renamed.org_settings = settings(&names, story);
            renamed.findings = story.expected_findings().into_iter().map(|one| expected(&names, &one)).collect();
            renamed.outcomes = Vec::new();
            shelf.whole.org_settings.extend(renamed.org_settings.clone());
            shelf.stories.push(renamed);
            shelf.events.push(story.written_events().unwrap().iter().map(|event| names.within(event)).collect());
        }
        shelf
    }

    pub(crate) fn telling(&self, way: Way) -> Telling {
        let mut portions: Vec<Vec<Event>> = Vec::new();
        for (place, events) in self.events.iter().enumerate() {
            for (number, portion) in portions_of(way, place, events).into_iter().enumerate() {
                match portions.get_mut(number) {
                    Some(known) => known.extend(portion),
                    None => portions.push(portion),
                }
            }
        }
        Telling { portions, clock_first: matches!(way, Way::AtOnce | Way::Shuffled) }
    }

    /// What was said of the story at `place`.
    pub(crate) fn part(&self, place: usize, told: &Told) -> Told {
        let mut part = told.clone();
        if self.stories.len() > 1 {
            let own = |org: &str| org.starts_with(&prefix(place));
            part.findings.retain(|finding| finding.org_id.as_ref().is_some_and(|org| own(org.as_str())));
        }
        part
    }
}

fn portions_of(way: Way, place: usize, events: &[Event]) -> Vec<Vec<Event>> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.time);
    match way {
        Way::ByTime => {}
        Way::Reversed => events.reverse(),
        Way::AtOnce | Way::Shuffled => events.shuffle(&mut ChaCha8Rng::seed_from_u64(place as u64)),
    }
    let portions = if way == Way::AtOnce { 1 } else { PORTIONS };
    events.chunks(events.len().div_ceil(portions).max(1)).map(<[Event]>::to_vec).collect()
}

fn empty(kind: Kind) -> Story {
    Story {
        name: "all".to_owned(),
        defaults: Map::new(),
        learn_until: kind.learn_until,
        events: Vec::new(),
        until: kind.until,
        org_settings: BTreeMap::new(),
        findings: Vec::new(),
        outcomes: Vec::new(),
    }
}

fn settings(names: &Names, story: &Story) -> BTreeMap<String, Map<String, Value>> {
    story.org_settings.iter().map(|(org, settings)| (names.text(org), names.within(settings))).collect()
}

fn expected(names: &Names, finding: &Value) -> Expected {
    Expected { repeat: None, fields: names.within(finding.as_object().unwrap()) }
}

/// What a story's names are called beside other stories.
#[derive(Debug)]
struct Names {
    place: usize,
    names: BTreeSet<String>,
}

impl Names {
    /// Orgs; for a detector that looks across orgs, also what it is about.
    fn of(definition: &Definition, place: usize, story: &Story, alone: bool) -> Self {
        let mut names = BTreeSet::new();
        if alone {
            return Self { place, names };
        }
        let subject = definition.subject.iter().filter(|_| definition.scope == Scope::Operator);
        let columns: Vec<&str> = ORGS.into_iter().chain(subject.map(String::as_str)).collect();
        for event in story.written_events().unwrap() {
            let event = json!(event);
            let steps = event["steps"].as_array().into_iter().flatten();
            let named = columns.iter().map(|column| &event[*column]).chain(steps.map(|step| &step["org_id"]));
            names.extend(named.filter_map(Value::as_str).map(str::to_owned));
        }
        names.extend(story.org_settings.keys().cloned());
        Self { place, names }
    }

    /// Names stand alone or among other words, and settings may write them in another case.
    fn text(&self, text: &str) -> String {
        let is_name = |word: &str| self.names.iter().any(|name| name.eq_ignore_ascii_case(word));
        let word = |word: &str| match is_name(word) {
            true => format!("{}{word}", prefix(self.place)),
            false => word.to_owned(),
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    fn within<T: Serialize + DeserializeOwned>(&self, whole: &T) -> T {
        let mut value = json!(whole);
        self.rename(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            Value::Object(fields) => fields.values_mut().for_each(|item| self.rename(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn prefix(place: usize) -> String {
    format!("{place}-")
}
