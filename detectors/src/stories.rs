//! Runs the stories of a detector's file: events in, findings out, through a real lake in a scratch folder.
//!
//! The same story can be told in other orders and in other portions; what a detector says may not depend on that.

use std::path::Path;

use arrow::array::RecordBatch;
use credwatch_lake::{Access, Appended, Lake};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::event::Event;
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::outcome::Coverage;
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::{Disposition, UNDATED, column};
use credwatch_schemas::rows;
use credwatch_schemas::time::{Micros, SECOND};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::configuration::setting_rows;
use crate::definition::{Definition, Story};
use crate::engine::{Ask, Engine};
use crate::error::{Doing, EngineError};
use crate::outcomes::outcomes;
use crate::reconcile::comparable;
use crate::recording;
use crate::registry::Registry;
use crate::standing::{FindingFilter, current_findings};

/// How one story ended; without failures it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryResult {
    pub name: String,
    /// What was expected and is not so, one sentence each.
    pub failures: Vec<String>,
}

/// What a detector said at a story's end.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Those that are not withdrawn, without what may differ between runs, by id.
    pub findings: Vec<Finding>,
    pub outcomes: Vec<Coverage>,
    pub failed: Vec<String>,
}

/// How a story's events reach the lake.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Events, each portion committed and judged by itself.
    pub portions: Vec<Vec<Event>>,
    /// Whether the clock stands at the story's end from the first portion on, so that all windows close at once and
    /// every later event is late.
    pub clock_first: bool,
}

/// The wall clock of stories: nothing follows from it.
const NOW: Micros = Micros(1_780_272_000 * SECOND);

/// Runs every story of the file; data files come from the registry, lakes are made inside `scratch`.
pub async fn run_file(
    name: &str,
    content: &str,
    registry: &Registry,
    scratch: &Path,
) -> Result<Vec<StoryResult>, EngineError> {
    let definition = Definition::parse(name, content).map_err(crate::registry::RegistryError::from)?;
    let mut alone = registry.only(&definition.id);
    alone.add_detector(name, content)?;
    let mut results = Vec::new();
    for (number, story) in definition.stories.iter().enumerate() {
        let events = story.written_events().map_err(|what| EngineError::Story { story: story.name.clone(), what })?;
        let telling = Telling { portions: vec![events], clock_first: true };
        let told = tell(story, &telling, &alone, &scratch.join(format!("{name}-{number}"))).await?;
        results.push(StoryResult { name: story.name.clone(), failures: failures(story, &told) });
    }
    Ok(results)
}

/// Tells a story in a lake of its own in `folder`.
pub async fn tell(story: &Story, telling: &Telling, registry: &Registry, folder: &Path) -> Result<Told, EngineError> {
    let lake = Lake::open(&folder.to_string_lossy(), Access::Write).await?;
    settle(&lake, story).await?;
    let mut engine = Engine::new(lake.clone(), registry.clone()).with_lateness(0);
    engine.tick(&Ask { learn_until: story.learn_until, ..Ask::default() }, NOW).await?;
    let end = end_of(story, telling);
    let mut offset = 0;
    let mut failed = Vec::new();
    for (place, portion) in telling.portions.iter().enumerate() {
        let is_last = place + 1 == telling.portions.len();
        let clock = end.filter(|_| telling.clock_first || is_last);
        offset = append(&lake, story, portion, offset, clock).await?;
        let tick = engine.tick(&Ask::default(), NOW).await?;
        failed = tick.failed.into_iter().map(|(id, why)| format!("{id} failed: {why}")).collect();
    }
    let snapshot = lake.snapshot().await?;
    let filter = FindingFilter { with_quiet: true, ..FindingFilter::default() };
    let mut findings = current_findings(&snapshot, &filter).await?;
    findings.retain(|finding| finding.status != Status::Withdrawn);
    findings.sort_by(|a, b| a.finding_id.cmp(&b.finding_id));
    let findings = findings.iter().map(comparable).collect();
    Ok(Told { findings, outcomes: outcomes(&snapshot).await?, failed })
}

async fn settle(lake: &Lake, story: &Story) -> Result<(), EngineError> {
    let orgs = story.org_settings.iter();
    let drafts: Vec<_> = orgs.flat_map(|(org, settings)| setting_rows(&OrgId::new(org), settings, None)).collect();
    recording::commit(lake, NOW, |known, _| if known.highest_seq() == 0 { drafts.clone() } else { Vec::new() }).await?;
    Ok(())
}

fn end_of(story: &Story, telling: &Telling) -> Option<Micros> {
    let last = telling.portions.iter().flatten().filter_map(|event| event.time).max();
    story.until.or(last)
}

async fn append(
    lake: &Lake,
    story: &Story,
    events: &[Event],
    offset: i64,
    clock: Option<Micros>,
) -> Result<i64, EngineError> {
    let failed = |what: String| EngineError::Story { story: story.name.clone(), what };
    let partition = Partition { topic: "story".to_owned(), topic_id: String::new(), partition: 0 };
    let end = offset + i64::try_from(events.len()).unwrap_or(i64::MAX);
    let progress = Progress { partition, base: (offset > 0).then_some(offset), end, clock };
    let batch = ValidBatch::new(rows_of(events, offset)?, vec![progress]).map_err(|error| failed(error.to_string()))?;
    match lake.append(batch, NOW).await? {
        Appended::Stale(_) => Err(failed("its lake has other positions".to_owned())),
        Appended::Committed { .. } | Appended::AlreadyThere => Ok(end),
    }
}

fn rows_of(events: &[Event], offset: i64) -> Result<RecordBatch, EngineError> {
    let rows: Vec<Value> = (offset..).zip(events).map(|(offset, event)| row_of(event, offset)).collect();
    rows::to_batch(&UNDATED, &rows).doing("write a story's events")
}

fn row_of(event: &Event, offset: i64) -> Value {
    let mut row = json!(event);
    let hash = Sha256::digest(content(event).to_string().as_bytes());
    let day: String = event.time.unwrap_or_default().to_string().chars().take(10).collect();
    row[column::CONTENT_HASH] = json!(hash[..8].iter().fold(0_i64, |number, byte| (number << 8) | i64::from(*byte)));
    row[column::DISPOSITION] = json!(Disposition::Accepted.as_str());
    row[column::DATE] = json!(day);
    row[column::KAFKA_TOPIC] = json!("story");
    row[column::KAFKA_TOPIC_ID] = json!("");
    row[column::KAFKA_PARTITION] = json!(0);
    row[column::KAFKA_OFFSET] = json!(offset);
    row[column::KAFKA_INDEX] = json!(0);
    row
}

/// A binding may decide org and source, so they are no part of what a producer said: the same record can stand under two
/// orgs.
fn content(event: &Event) -> Value {
    let mut said = json!(event);
    for decided in [column::ORG_ID, column::SOURCE] {
        said[decided] = Value::Null;
    }
    said
}

/// What the story expects and the detector did not say, and what it said without being expected.
pub fn failures(story: &Story, told: &Told) -> Vec<String> {
    let mut failures = told.failed.clone();
    let mut left: Vec<Value> = told.findings.iter().map(|finding| json!(finding)).collect();
    for expected in story.expected_findings() {
        match left.iter().position(|finding| covers(finding, &expected)) {
            Some(place) => drop(left.remove(place)),
            None => failures.push(format!("no finding is {expected}")),
        }
    }
    failures.extend(left.iter().map(|finding| format!("nobody expected {finding}")));
    let outcomes: Vec<Value> = told.outcomes.iter().map(|outcome| json!(outcome)).collect();
    for expected in &story.outcomes {
        if !outcomes.iter().any(|outcome| covers(outcome, &Value::Object(expected.clone()))) {
            failures.push(format!("no outcome is {}; they are {}", shown(expected), json!(outcomes)));
        }
    }
    failures
}

fn shown(fields: &Map<String, Value>) -> String {
    json!(fields).to_string()
}

/// Whether `value` has what `expected` names: fields of objects, all elements of lists, numbers and times by value.
fn covers(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            expected.iter().all(|(key, inner)| covers(value.get(key).unwrap_or(&Value::Null), inner))
        }
        (Value::Array(value), Value::Array(expected)) => {
            value.len() == expected.len() && value.iter().zip(expected).all(|(one, other)| covers(one, other))
        }
        (Value::Number(value), Value::Number(expected)) => value.as_f64() == expected.as_f64(),
        (Value::String(value), Value::String(expected)) => {
            value == expected || Micros::parse(value).is_some_and(|time| Micros::parse(expected) == Some(time))
        }
        (value, expected) => value == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_must_be_so_and_what_is_not_named_may_be_anything() {
        let finding =
            json!({"subject": {"agent_id": "a"}, "event_count": 3, "raised_time": "2026-06-01T00:00:00.000000Z"});
        assert!(covers(&finding, &json!({"event_count": 3.0, "raised_time": "2026-06-01T00:00:00Z"})));
        assert!(covers(&finding, &json!({"subject": {"agent_id": "a"}})));
        for other in [json!({"event_count": 4}), json!({"subject": {"agent_id": "b"}}), json!({"status": "open"})] {
            assert!(!covers(&finding, &other), "{other}");
        }
    }

    #[test]
    fn a_finding_that_nobody_expected_is_a_failure_and_so_is_one_that_is_missing() {
        let story = "name: s\nevents: []\nfindings: [{title: t}]\noutcomes: [{outcome: clear}]";
        let story: Story = serde_yaml_ng::from_str(story).unwrap();
        let told = Told { findings: vec![], outcomes: vec![], failed: vec!["d failed: x".into()] };
        assert_eq!(failures(&story, &told).len(), 3);
    }
}
