//! What one tick judges over: a snapshot, the rows up to its highest `seq`, and every store brought to exactly that.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use credwatch_lake::{Lake, LakeSnapshot, TableName};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::col;
use datafusion::prelude::SessionContext;

use crate::configuration::Configuration;
use crate::definition::Definition;
use crate::error::{Doing, EngineError};
use crate::plan;
use crate::recording::recorded;
use crate::rows_of::{Between, Records};
use crate::store::{Advanced, Store, advance};

/// Memory that the statements of one tick may use.
const MEMORY_BYTES: usize = 1 << 30;

/// Every file that a detector ever had, by content.
pub(crate) type Files = BTreeMap<String, Result<Definition, String>>;

pub(crate) struct View {
    pub(crate) context: SessionContext,
    pub(crate) snapshot: LakeSnapshot,
    pub(crate) records: Records,
    pub(crate) configuration: Configuration,
    pub(crate) detectors: BTreeMap<DetectorId, Files>,
    pub(crate) watermark: Option<Micros>,
    /// Time of the last event or clock; `None` in an empty lake.
    pub(crate) last_time: Option<Micros>,
    /// Stores that could not be kept, and why.
    broken: BTreeMap<TableName, String>,
}

impl View {
    /// `None` when somebody else moved a store meanwhile: try again.
    pub(crate) async fn take(lake: &Lake, lateness: i64, now: Micros) -> Result<Option<Self>, EngineError> {
        let context = plan::context(MEMORY_BYTES).doing("prepare a tick")?;
        let before = lake.snapshot().await?;
        let records = Records { provider: before.records().provider(), data_seq: before.highest_seq() };
        let configuration = recorded(&before).await?;
        let detectors = files_of(&configuration);
        let mut broken = BTreeMap::new();
        for (name, store) in stores_of(&detectors) {
            match advance(lake, &before, &context, &records, &store, now).await {
                Ok(Advanced::Done) => {}
                Ok(Advanced::Moved) => return Ok(None),
                Err(EngineError::Store { what, .. }) => {
                    broken.insert(name, what);
                }
                Err(error) => return Err(error),
            }
        }
        let snapshot = lake.snapshot().await?;
        let at_the_same_row = |name: &TableName| {
            let seq = snapshot.table(name).and_then(|table| table.transaction(column::SEQ));
            seq.unwrap_or(0) == records.data_seq
        };
        if stores_of(&detectors).keys().any(|name| !broken.contains_key(name) && !at_the_same_row(name)) {
            return Ok(None);
        }
        let last_time = last_time(&context, &records, &before).await?;
        let watermark = before.watermark(lateness);
        Ok(Some(Self { context, snapshot, records, configuration, detectors, watermark, last_time, broken }))
    }

    /// Why a store that the detector reads could not be kept.
    pub(crate) fn broken_for(&self, definition: &Definition) -> Option<&str> {
        Store::all_of(definition).iter().find_map(|store| self.broken.get(&store.table())).map(String::as_str)
    }
}

fn files_of(configuration: &Configuration) -> BTreeMap<DetectorId, Files> {
    let read =
        |id: &DetectorId, content: &str| Definition::parse(id.as_str(), content).map_err(|error| error.to_string());
    let files = |id: &DetectorId| {
        configuration.contents(id).into_iter().map(|content| (content.to_owned(), read(id, content))).collect()
    };
    configuration
        .detectors()
        .into_iter()
        .map(|id| {
            let all = files(&id);
            (id, all)
        })
        .collect()
}

fn stores_of(detectors: &BTreeMap<DetectorId, Files>) -> BTreeMap<TableName, Store> {
    let definitions = detectors.values().flat_map(BTreeMap::values).flatten();
    definitions.flat_map(Store::all_of).map(|store| (store.table(), store)).collect()
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
