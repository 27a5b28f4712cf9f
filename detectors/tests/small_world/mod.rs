//! A lake in a temporary folder, two small detectors, and calls that are made of a few words.

use credwatch_detectors::reconcile::comparable;
use credwatch_detectors::{Engine, FindingFilter, Registry, current_findings, revisions};
use credwatch_lake::{Access, Appended, Lake};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::rows;
use credwatch_schemas::time::{DAY, MINUTE, Micros, SECOND};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{BUSY_HOUR, FIRST_HOST};

/// 2026-06-01T00:00:00Z, where event times begin.
const BEGIN: Micros = Micros(1_780_272_000 * SECOND);

/// The wall clock of a test that does not care.
pub(crate) const NOW: Micros = Micros(BEGIN.0 + DAY);

#[derive(Debug, Clone)]
pub(crate) struct Call {
    org: String,
    host: String,
    pub(crate) time: Micros,
}

/// A minute of the test's day.
pub(crate) fn at(minute: i64) -> Micros {
    BEGIN.plus(minute * MINUTE)
}

pub(crate) fn call(org: &str, host: &str, minute: i64) -> Call {
    Call { org: org.to_owned(), host: host.to_owned(), time: at(minute) }
}

/// So many calls in the first hour.
pub(crate) fn busy(org: &str, calls: i64) -> Vec<Call> {
    (0..calls).map(|minute| call(org, "x.example", minute)).collect()
}

pub(crate) fn registry(files: &[(&str, &str)]) -> Registry {
    let mut registry = Registry::default();
    for (name, content) in files {
        registry.add_detector(name, content).unwrap();
    }
    registry
}

pub(crate) struct World {
    pub(crate) lake: Lake,
    registry: Registry,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(&[("first-host", FIRST_HOST), ("busy-hour", BUSY_HOUR)]).await
    }

    pub(crate) async fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap();
        let world = Self { lake, registry: registry(files), _folder: folder };
        // In a lake without clocks files hold from the beginning.
        world.engine().tick(&credwatch_detectors::Ask::default(), NOW).await.unwrap();
        world
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new(self.lake.clone(), self.registry.clone()).with_lateness(0)
    }

    pub(crate) async fn append(&self, calls: &[Call], clock: Option<Micros>) {
        let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
        let base = self.lake.snapshot().await.unwrap().positions().get(&partition).copied();
        let first = base.unwrap_or(0);
        let lines: Vec<Value> = (first..).zip(calls).map(|(offset, one)| line(offset, one)).collect();
        let progress = Progress { partition, base, end: first + calls.len() as i64, clock };
        let batch = ValidBatch::new(rows::to_batch(&UNDATED, &lines).unwrap(), vec![progress]).unwrap();
        let appended = self.lake.append(batch, NOW).await.unwrap();
        // A portion without calls, whose clock does not move, is nothing to commit.
        assert!(matches!(appended, Appended::Committed { .. }) || calls.is_empty(), "{appended:?}");
    }

    /// What stands, without what may differ between runs.
    pub(crate) async fn standing(&self) -> Vec<Finding> {
        let mut all = self.current().await;
        all.retain(|finding| finding.status != Status::Withdrawn);
        all.sort_by(|a, b| a.finding_id.cmp(&b.finding_id));
        all.iter().map(comparable).collect()
    }

    async fn current(&self) -> Vec<Finding> {
        let filter = FindingFilter { with_quiet: true, ..FindingFilter::default() };
        current_findings(&self.lake.snapshot().await.unwrap(), &filter).await.unwrap()
    }

    pub(crate) async fn revisions(&self) -> Vec<Finding> {
        let snapshot = self.lake.snapshot().await.unwrap();
        let mut all = Vec::new();
        for finding in self.current().await {
            all.extend(revisions(&snapshot, &finding.finding_id).await.unwrap());
        }
        all
    }

    pub(crate) async fn versions(&self) -> Vec<(String, i64)> {
        let snapshot = self.lake.snapshot().await.unwrap();
        snapshot.tables().map(|table| (table.name().to_string(), table.version())).collect()
    }
}

/// The same call twice is one event: its id is what it says.
fn line(offset: i64, call: &Call) -> Value {
    let id = format!("{}-{}-{}", call.org, call.host, call.time.0);
    let hash = id.bytes().fold(7_i64, |hash, byte| hash.wrapping_mul(31).wrapping_add(i64::from(byte)));
    json!({
        "disposition": "accepted", "date": call.time.to_string()[..10], "kafka_topic": "audit", "kafka_topic_id": "t1",
        "kafka_partition": 0, "kafka_offset": offset, "kafka_index": 0, "content_hash": hash, "event_id": id,
        "time": call.time, "kind": "tool_call", "source": "broker", "org_id": call.org, "dest_host": call.host,
    })
}
