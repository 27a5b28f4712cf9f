//! Stories: events in, findings out. They stand in the detector's file and are its unit tests.

use std::collections::BTreeMap;

use credwatch_schemas::event::{Event, field};
use credwatch_schemas::time::Micros;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Span;

/// A small world with a name, and what a detector must say about it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    pub name: String,
    /// Fields of every event that does not say otherwise.
    #[serde(default)]
    pub defaults: Map<String, Value>,
    #[serde(default)]
    pub learn_until: Option<Micros>,
    pub events: Vec<StoryEvent>,
    /// End of the story; without one, it ends with its last event.
    #[serde(default)]
    pub until: Option<Micros>,
    #[serde(default)]
    pub org_settings: BTreeMap<String, Map<String, Value>>,
    /// Exactly the findings that are not withdrawn; of each, the fields that matter.
    pub findings: Vec<Expected>,
    /// Each must be covered by an outcome that the engine gives.
    #[serde(default)]
    pub outcomes: Vec<Map<String, Value>>,
}

/// One event, or the same event again and again.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StoryEvent {
    #[serde(default)]
    pub repeat: Option<u32>,
    #[serde(default)]
    pub every: Option<Span>,
    /// Time of the first repetition.
    #[serde(default)]
    pub from: Option<Micros>,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// One finding, or one for each `{i}` from 0 on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Expected {
    #[serde(default)]
    pub repeat: Option<u32>,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// A story that repeats more than this is a benchmark.
const MOST_REPETITIONS: u32 = 100_000;

impl Story {
    /// The events in the order of the file; a sentence when one of them is none.
    pub fn written_events(&self) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        for (position, written) in self.events.iter().enumerate() {
            let numbered = |why| format!("story \"{}\", event {}: {why}", self.name, position + 1);
            written.expand(position + 1, &self.defaults, &mut events).map_err(numbered)?;
        }
        Ok(events)
    }

    /// Every finding that must be there, each as the fields that matter.
    pub fn expected_findings(&self) -> Vec<Value> {
        self.findings.iter().flat_map(Expected::expand).collect()
    }
}

impl Expected {
    fn expand(&self) -> impl Iterator<Item = Value> {
        (0..self.repeat.unwrap_or(1)).map(|number| {
            let mut whole = Value::Object(self.fields.clone());
            number_texts(&mut whole, number);
            whole
        })
    }
}

impl StoryEvent {
    fn expand(&self, position: usize, defaults: &Map<String, Value>, into: &mut Vec<Event>) -> Result<(), String> {
        let Some(times) = self.repeat else {
            into.push(self.event(defaults, &position.to_string(), 0, None)?);
            return Ok(());
        };
        let (Some(every), Some(from)) = (self.every, self.from) else {
            return Err("a repetition needs `from` and `every`".to_owned());
        };
        if times > MOST_REPETITIONS {
            return Err(format!("repeats more than {MOST_REPETITIONS} times"));
        }
        for number in 0..times {
            let time = from.plus(i64::from(number) * every.micros());
            into.push(self.event(defaults, &format!("{position}-{number}"), number, Some(time))?);
        }
        Ok(())
    }

    fn event(&self, defaults: &Map<String, Value>, id: &str, number: u32, at: Option<Micros>) -> Result<Event, String> {
        let mut fields = defaults.clone();
        fields.entry("source").or_insert_with(|| json!("story"));
        fields.extend(self.fields.clone());
        fields.entry("event_id").or_insert_with(|| json!(id));
        if let Some(time) = at {
            fields.insert("time".to_owned(), json!(time));
        }
        // An explicit null takes a default away: absent means unknown.
        fields.retain(|_, value| !value.is_null());
        if let Some(unknown) = fields.keys().find(|name| field(name).is_none()) {
            return Err(format!("the event has no field \"{unknown}\""));
        }
        let mut whole = Value::Object(fields);
        number_texts(&mut whole, number);
        let event: Event = serde_json::from_value(whole).map_err(|error| error.to_string())?;
        if event.time.is_none() || event.kind.is_none() {
            return Err("has no time or no kind".to_owned());
        }
        Ok(event)
    }
}

fn number_texts(value: &mut Value, number: u32) {
    match value {
        Value::String(text) if text.contains("{i}") => *text = text.replace("{i}", &number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(|item| number_texts(item, number)),
        Value::Object(fields) => fields.values_mut().for_each(|item| number_texts(item, number)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(events: &str) -> Story {
        let text = format!("name: s\ndefaults: {{org_id: org_a, kind: tool_call}}\nevents:\n{events}\nfindings: []\n");
        serde_yaml_ng::from_str(&text).unwrap()
    }

    #[test]
    fn a_repetition_is_many_events_with_ids_of_their_own() {
        let told = story("  - {repeat: 3, every: 1m, from: 2026-06-01T00:00:00Z, dest_host: 'h{i}.example'}");
        let events = told.written_events().unwrap();
        let ids: Vec<_> = events.iter().map(|event| event.event_id.clone().unwrap()).collect();
        assert_eq!(ids, ["1-0", "1-1", "1-2"]);
        assert_eq!(events[2].dest_host.as_deref(), Some("h2.example"));
        assert_eq!(events[2].time, Micros::parse("2026-06-01T00:02:00Z"));
        assert_eq!(events[2].org_id.as_deref(), Some("org_a"));
    }

    #[test]
    fn a_repeated_expectation_is_one_finding_for_each_number() {
        let text = "name: s\nevents: []\nfindings: [{repeat: 2, subject: {agent_id: 'a{i}'}}, {severity: low}]\n";
        let told: Story = serde_yaml_ng::from_str(text).unwrap();
        let expected = json!([{"subject": {"agent_id": "a0"}}, {"subject": {"agent_id": "a1"}}, {"severity": "low"}]);
        assert_eq!(json!(told.expected_findings()), expected);
    }

    #[test]
    fn a_null_takes_a_default_away() {
        let events = story("  - {time: 2026-06-01T00:00:00Z, org_id: null}").written_events().unwrap();
        assert_eq!(events[0].org_id, None);
    }

    #[test]
    fn an_event_that_is_none_is_named() {
        for (event, why) in [
            ("  - {time: 2026-06-01T00:00:00Z, host: x}", "host"),
            ("  - {dest_host: x}", "no time"),
            ("  - {repeat: 3, dest_host: x}", "from"),
        ] {
            let said = story(event).written_events().unwrap_err();
            assert!(said.contains("event 1") && said.contains(why), "{said}");
        }
    }
}
