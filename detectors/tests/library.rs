//! Every detector of the library, and two small ones: their stories hold, and hold in whatever order and portions the
//! events come; a column that one needs and that nobody fills makes it blind, and it says so; the statement that a
//! finding carries returns its evidence.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "small_world/files.rs"]
mod files;
#[path = "library/shelf.rs"]
mod shelf;

use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use credwatch_detectors::definition::{Definition, Story};
use credwatch_detectors::stories::{Telling, Told, failures, run_file, tell};
use credwatch_detectors::{FindingFilter, Registry, current_findings};
use credwatch_lake::{Access, Lake};
use credwatch_query::{Limits, Params, Session, TenantScope};
use credwatch_schemas::event::Event;
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::Outcome;
use credwatch_schemas::rows;
use files::{BUSY_HOUR, FIRST_HOST};
use serde_json::{Map, Value, json};
use shelf::{Shelf, Way, shelves};

fn known() -> Registry {
    let mut registry = Registry::embedded().unwrap();
    registry.add_detector("first-host", FIRST_HOST).unwrap();
    registry.add_detector("busy-hour", BUSY_HOUR).unwrap();
    registry
}

/// Each detector with a registry that holds no other.
fn each() -> Vec<(Definition, Registry)> {
    let registry = known();
    let alone =
        |(id, content): (&DetectorId, &String)| (Definition::parse(id.as_str(), content).unwrap(), registry.only(id));
    registry.detectors().iter().map(alone).collect()
}

/// Does all the work, on every core, and gives back what it said, in any order.
fn said_of<T: Send>(work: Vec<T>, say: impl AsyncFn(T) -> Vec<String> + Sync) -> Vec<String> {
    let (left, said) = (Mutex::new(work), Mutex::new(Vec::new()));
    let one_worker = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        loop {
            let Some(one) = left.lock().unwrap().pop() else { return };
            let mut new = runtime.block_on(say(one));
            said.lock().unwrap().append(&mut new);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, NonZero::get) {
            scope.spawn(one_worker);
        }
    });
    said.into_inner().unwrap()
}

async fn told(story: &Story, telling: &Telling, registry: &Registry) -> Told {
    let folder = tempfile::tempdir().unwrap();
    tell(story, telling, registry, folder.path()).await.unwrap()
}

fn at_once(events: Vec<Event>) -> Telling {
    Telling { portions: vec![events], clock_first: true }
}

#[test]
fn every_story_holds_and_every_statement_returns_the_evidence() {
    let each = each();
    let stories = each.iter().flat_map(|(definition, registry)| {
        definition.stories.iter().map(move |story| (&definition.id, story, registry))
    });
    let said = said_of(stories.collect(), async |(id, story, registry)| {
        let folder = tempfile::tempdir().unwrap();
        let telling = at_once(story.written_events().unwrap());
        let told = tell(story, &telling, registry, folder.path()).await.unwrap();
        let mut said = failures(story, &told);
        said.extend(wrong_statements(folder.path()).await);
        said.iter().map(|why| format!("{id}, \"{}\": {why}", story.name)).collect()
    });
    assert!(said.is_empty(), "{}", said.join("\n"));
}

async fn wrong_statements(lake: &Path) -> Vec<String> {
    let lake = Lake::open(&lake.to_string_lossy(), Access::Read).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let filter = FindingFilter { with_quiet: true, ..FindingFilter::default() };
    let mut wrong = Vec::new();
    for finding in current_findings(&snapshot, &filter).await.unwrap() {
        let scope = finding.org_id.clone().map_or(TenantScope::Operator, TenantScope::Org);
        let session = Session::open(&snapshot, scope, Limits::default()).unwrap();
        let found = event_ids(&session, &finding.sql).await;
        if finding.status != Status::Withdrawn && !is_evidence(&found, &finding) {
            wrong.push(format!(
                "{} says {} events {:?}, and its statement returns {found:?}",
                finding.title, finding.event_count, finding.event_ids
            ));
        }
    }
    wrong
}

async fn event_ids(session: &Session, sql: &str) -> Vec<String> {
    let batches = session.run(sql, Params::None).await.unwrap().collect().await.unwrap();
    let rows = batches.iter().flat_map(|batch| rows::from_batch::<Map<String, Value>>(batch).unwrap());
    rows.map(|row| row["event_id"].as_str().unwrap().to_owned()).collect()
}

/// As many as it says, and the first of them in its order.
fn is_evidence(found: &[String], finding: &Finding) -> bool {
    i64::try_from(found.len()) == Ok(finding.event_count) && found.starts_with(&finding.event_ids)
}

#[tokio::test]
async fn a_story_that_expects_something_else_fails_and_says_what() {
    let wrong = FIRST_HOST.replace("event_ids: [first]", "event_ids: [second]");
    let scratch = tempfile::tempdir().unwrap();
    let results = run_file("first-host", &wrong, &Registry::default(), scratch.path()).await.unwrap();
    let said = results[0].failures.join("; ");
    assert!(said.contains("no finding is") && said.contains("second") && said.contains("nobody expected"), "{said}");
}

/// Stories are told side by side in one lake, each with orgs of its own: that an org alone gives what it gives among
/// others is proved by the way.
#[test]
fn order_and_portions_of_events_do_not_matter_and_neither_do_other_orgs() {
    let each = each();
    let all = each.iter().flat_map(|(definition, registry)| {
        shelves(definition).into_iter().map(move |shelf| (&definition.id, shelf, registry))
    });
    let said = said_of(all.collect(), async |(id, shelf, registry)| {
        let expected = told(&shelf.whole, &shelf.telling(Way::AtOnce), registry).await;
        let mut said = shelf_failures(&shelf, &expected, "at once");
        for way in [Way::ByTime, Way::Reversed, Way::Shuffled] {
            let found = told(&shelf.whole, &shelf.telling(way), registry).await;
            if found.findings != expected.findings || !found.failed.is_empty() {
                said.extend(shelf_failures(&shelf, &found, &format!("{way:?}")));
                said.push(format!("{way:?} gives something else than at once"));
            }
        }
        said.iter().map(|why| format!("{id}, {why}")).collect()
    });
    assert!(said.is_empty(), "{}", said.join("\n"));
}

fn shelf_failures(shelf: &Shelf, told: &Told, way: &str) -> Vec<String> {
    let of_story = |(place, story): (usize, &Story)| {
        let said = failures(story, &shelf.part(place, told));
        said.into_iter().map(|why| format!("\"{}\" told {way}: {why}", story.name)).collect::<Vec<_>>()
    };
    shelf.stories.iter().enumerate().flat_map(of_story).collect()
}

#[test]
fn a_needed_column_that_nobody_fills_makes_a_detector_blind() {
    let each = each();
    let columns = each.iter().flat_map(|(definition, registry)| {
        let needed = definition.needs.iter().flat_map(|need| &need.columns);
        needed.map(move |column| (definition, column, registry))
    });
    let said = said_of(columns.collect(), async |(definition, column, registry)| {
        for story in &definition.stories {
            let telling = at_once(without(&story.written_events().unwrap(), column));
            let outcomes = told(story, &telling, registry).await.outcomes;
            if outcomes.iter().any(|one| one.outcome == Outcome::NotObservable && one.columns.contains(column)) {
                return Vec::new();
            }
        }
        vec![format!("{} does not say that it misses {column}", definition.id)]
    });
    assert!(said.is_empty(), "{}", said.join("\n"));
}

fn without(events: &[Event], column: &str) -> Vec<Event> {
    let strip = |event: &Event| {
        let mut fields = json!(event);
        fields.as_object_mut().unwrap().remove(column);
        serde_json::from_value(fields).unwrap()
    };
    events.iter().map(strip).collect()
}
