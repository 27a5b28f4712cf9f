//! What one tick judges over: a snapshot, the rows up to its highest `seq`, and every store brought to exactly that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use credwatch_lake::{Lake, LakeSnapshot, TableName};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::col;
use datafusion::prelude::SessionContext;
use futures::future::join_all;

use crate::definition::Definition;
use crate::error::{Doing, EngineError};
use crate::known::{Files, Known, Pace};
use crate::metrics::{self, Phase};
use crate::news;
use crate::plan;
use crate::remembered::Remembered;
use crate::rows_of::{Between, Records};
use crate::store::{Advanced, Store, advance};

/// Memory that the statements of one tick may use.
const MEMORY_BYTES: usize = 1 << 30;

/// Stores that are brought up to date side by side: each waits for the disk more than it computes.
const STORES_AT_ONCE: usize = 8;

pub(crate) struct View {
    pub(crate) context: SessionContext,
    pub(crate) snapshot: LakeSnapshot,
    pub(crate) records: Records,
    pub(crate) known: Arc<Known>,
    pub(crate) remembered: Arc<Remembered>,
    pub(crate) pace: Pace,
    pub(crate) watermark: Option<Micros>,
    /// Time of the last event or clock; `None` in an empty lake.
    pub(crate) last_time: Option<Micros>,
    /// What the detectors of this pace read.
    pub(crate) stores: BTreeMap<TableName, Store>,
    /// Those that could not be kept, and why.
    broken: BTreeMap<TableName, String>,
}

impl View {
    /// `before` is the newest snapshot, with what is known of it. `None` when somebody else moved a store meanwhile: try
    /// again.
    pub(crate) async fn take(
        lake: &Lake,
        before: &LakeSnapshot,
        known: Arc<Known>,
        remembered: Arc<Remembered>,
        pace: Pace,
        lateness: i64,
        now: Micros,
    ) -> Result<Option<Self>, EngineError> {
        let begin = Instant::now();
        let context = plan::context(MEMORY_BYTES).doing("prepare a tick")?;
        let stores = known.stores(pace);
        let records = records(&context, before, &known, pace, &stores).await?;
        metrics::took(pace, Phase::Look, begin.elapsed());
        let begin = Instant::now();
        let Some(broken) = keep(lake, before, &context, &records, &stores, now).await? else { return Ok(None) };
        let snapshot = lake.snapshot().await?;
        let is_there = |name: &TableName| position(&snapshot, name, column::SEQ) == records.data_seq;
        if stores.keys().any(|name| !broken.contains_key(name) && !is_there(name)) {
            return Ok(None);
        }
        let last_time = last_time(&context, &records, before).await?;
        let watermark = before.watermark(lateness);
        metrics::took(pace, Phase::Stores, begin.elapsed());
        Ok(Some(Self { context, snapshot, records, known, remembered, pace, watermark, last_time, stores, broken }))
    }

    /// The detectors that are judged over it.
    pub(crate) fn detectors(&self) -> impl Iterator<Item = (&DetectorId, &Files)> {
        self.known.detectors(self.pace)
    }

    /// Why a store that the detector reads could not be kept.
    pub(crate) fn broken_for(&self, definition: &Definition) -> Option<&str> {
        Store::all_of(definition).iter().find_map(|store| self.broken.get(&store.table())).map(String::as_str)
    }
}

/// The rows of the snapshot; of those that a store or a detector has yet to see the needed columns are read at once.
async fn records(
    context: &SessionContext,
    snapshot: &LakeSnapshot,
    known: &Known,
    pace: Pace,
    stores: &BTreeMap<TableName, Store>,
) -> Result<Records, EngineError> {
    let provider = snapshot.records().provider();
    let mut records = Records { provider, data_seq: snapshot.highest_seq(), news: None };
    let of_stores = stores.keys().map(|name| position(snapshot, name, column::SEQ));
    let of_detectors = known.detectors(pace).map(|(id, _)| position(snapshot, &TableName::Findings, &judged_key(id)));
    let positions = of_stores.chain(of_detectors);
    let news = news::read(context, &records, positions, stores.values(), known.definitions(pace)).await;
    records.news = news.doing("read new rows")?;
    Ok(records)
}

fn position(snapshot: &LakeSnapshot, table: &TableName, transaction: &str) -> i64 {
    snapshot.table(table).and_then(|table| table.transaction(transaction)).unwrap_or(0)
}

/// The transaction of `findings` that says which rows a detector has seen.
pub(crate) fn judged_key(id: &DetectorId) -> String {
    format!("d/{id}")
}

/// Brings every store to the records; which could not be kept, and why. `None` when somebody else moved one meanwhile.
async fn keep(
    lake: &Lake,
    snapshot: &LakeSnapshot,
    context: &SessionContext,
    records: &Records,
    stores: &BTreeMap<TableName, Store>,
    now: Micros,
) -> Result<Option<BTreeMap<TableName, String>>, EngineError> {
    let (all, mut broken) = (stores.iter().collect::<Vec<_>>(), BTreeMap::new());
    for some in all.chunks(STORES_AT_ONCE) {
        let advanced = join_all(some.iter().map(|(_, store)| advance(lake, snapshot, context, records, store, now)));
        for ((name, _), advanced) in some.iter().zip(advanced.await) {
            match advanced {
                Ok(Advanced::Done) => {}
                Ok(Advanced::Moved) => return Ok(None),
                Err(EngineError::Store { what, .. }) => {
                    broken.insert((*name).clone(), what);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Some(broken))
}

async fn last_time(
    context: &SessionContext,
    records: &Records,
    snapshot: &LakeSnapshot,
) -> Result<Option<Micros>, EngineError> {
    let late = Between { from: snapshot.last_event_from(), to: None };
    let rows = records.after(context, 0, late).doing("read the last time")?;
    let rows = rows.aggregate(vec![], vec![max(col(column::TIME)).alias("last")]).doing("read the last time")?;
    let mut last = snapshot.clocks().into_values().max();
    for batch in rows.collect().await.doing("read the last time")? {
        let times = batch["last"].as_primitive::<TimestampMicrosecondType>();
        let known = (0..times.len()).filter(|row| times.is_valid(*row)).map(|row| Micros(times.value(row)));
        last = last.max(known.max());
    }
    Ok(last)
}
