//! A lake and an engine in this process, fed through the same decoder, accumulator and append as Kafka's records.

use std::path::PathBuf;

use credwatch_detectors::reconcile::comparable;
use credwatch_detectors::{Ask, Engine, FindingFilter, Registry, Tick, current_findings};
use credwatch_ingest::import::Importer;
use credwatch_ingest::{Accumulator, Binding, ClockRule, Cut, Decoder, Limits, RawRecord, RedactionKey};
use credwatch_lake::{Access, Appended, Lake};
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::{DAY, HOUR, Micros};

use tempfile::TempDir;

use crate::way::{Arrival, Line, Run, Way};

#[derive(Debug)]
pub struct World {
    folder: TempDir,
    lake: Lake,
    engine: Engine,
    registry: Registry,
    decoder: Decoder,
}

impl World {
    pub async fn of(registry: &Registry) -> Self {
        let folder = TempDir::with_prefix("credwatch-way-").expect("creating a scratch folder");
        let key = RedactionKey::load_or_create(&folder.path().join("key")).expect("drawing a key");
        let lake = open(&folder).await;
        let engine = Engine::new(lake.clone(), registry.clone());
        let mut world =
            Self { folder, lake, engine, registry: registry.clone(), decoder: Decoder::new(key, Limits::default()) };
        // In a lake without clocks the library holds from the beginning.
        world.judge(Micros(0)).await;
        world
    }

    /// Goes the way to its end; what stands then, in the order of ids.
    pub async fn go(mut self, way: &Way, lines: &[Line]) -> Vec<Finding> {
        let end = lines.iter().map(|line| line.time).max().expect("there are lines");
        let now = end.plus(HOUR);
        let from = if way.run == Run::Backfilled { lines.len() / 2 } else { 0 };
        let (arrivals, mut ends) = (way.arrivals(lines, from), vec![0; way.partitions]);
        for batch in arrivals.chunks(way.cut) {
            self.append(lines, batch, &mut ends, now).await;
            if way.run != Run::AtOnce {
                self.judge(now).await;
            }
            if way.restarts {
                self.restart().await;
            }
        }
        self.import(&lines[..from], now).await;
        self.close(&ends, end, now).await;
        self.judge(now).await;
        self.standing().await
    }

    /// One commit of these arrivals; `ends` are the next offsets of the partitions.
    pub async fn append(&self, lines: &[Line], batch: &[Arrival], ends: &mut [i64], now: Micros) {
        let mut accumulator = self.accumulator(ends);
        let binding = Binding::default();
        for arrival in batch {
            let (partition, offset) = (partition(arrival.partition), ends[arrival.partition]);
            let payload = Some(lines[arrival.line].json.as_bytes());
            let record = RawRecord { payload, headers: &[], arrival: now, now, partition: &partition, offset };
            accumulator.push(&self.decoder, &binding, &record);
            ends[arrival.partition] += 1;
        }
        self.commit(&mut accumulator, now).await;
    }

    /// Begins where the table stands, as a consumer does.
    fn accumulator(&self, ends: &[i64]) -> Accumulator {
        let mut accumulator = Accumulator::new(Cut::default());
        for (number, end) in ends.iter().enumerate() {
            // A partition's first position is committed with its first records here: no second process could differ.
            let base = (*end > 0).then_some(*end);
            accumulator.begin(&partition(number), base, *end, ClockRule::Moves);
        }
        accumulator
    }

    async fn commit(&self, accumulator: &mut Accumulator, now: Micros) {
        let Some(batch) = accumulator.take() else { return };
        let appended = self.lake.append(batch, now).await.expect("appending");
        assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
    }

    async fn import(&self, lines: &[Line], now: Micros) {
        if lines.is_empty() {
            return;
        }
        let file: PathBuf = self.folder.path().join("history.ndjson");
        let text: Vec<&str> = lines.iter().map(|line| line.json.as_str()).collect();
        std::fs::write(&file, text.join("\n")).expect("writing a file");
        let binding = Binding::default();
        let importer = Importer { lake: &self.lake, decoder: &self.decoder, binding: &binding, cut: Cut::default() };
        importer.import(&file, now, || now, |_| {}).await.expect("importing");
    }

    /// Every partition is read to its end, and a day has passed: no window waits any longer.
    async fn close(&self, ends: &[i64], end: Micros, now: Micros) {
        let mut accumulator = self.accumulator(ends);
        for number in 0..ends.len() {
            accumulator.tell_clock(&partition(number), end.plus(2 * DAY));
        }
        self.commit(&mut accumulator, now).await;
    }

    pub async fn judge(&mut self, now: Micros) -> Tick {
        let tick = self.engine.tick(&Ask::default(), now).await.expect("judging");
        assert!(tick.failed.is_empty(), "{:?}", tick.failed);
        tick
    }

    async fn restart(&mut self) {
        self.lake = open(&self.folder).await;
        self.engine = Engine::new(self.lake.clone(), self.registry.clone());
    }

    async fn standing(&self) -> Vec<Finding> {
        let filter = FindingFilter { with_quiet: true, ..FindingFilter::default() };
        let mut all = current_findings(&self.lake.snapshot().await.expect("reading"), &filter).await.expect("reading");
        all.retain(|finding| finding.status != Status::Withdrawn);
        all.sort_by(|a, b| a.finding_id.cmp(&b.finding_id));
        all.iter().map(comparable).collect()
    }
}

async fn open(folder: &TempDir) -> Lake {
    let path = folder.path().join("lake");
    Lake::open(path.to_str().expect("a path in UTF-8"), Access::Write).await.expect("opening the lake")
}

fn partition(number: usize) -> Partition {
    let number = i32::try_from(number).expect("few partitions");
    Partition { topic: "audit".into(), topic_id: "t".into(), partition: number }
}
