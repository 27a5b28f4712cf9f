//! Frames over the table `records`: accepted rows up to the snapshot's highest `seq`, between two times.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use credwatch_schemas::event::{FIELDS, timestamp};
use credwatch_schemas::records::{Disposition, column};
use credwatch_schemas::time::Micros;
use datafusion::catalog::TableProvider;
use datafusion::common::{NullEquality, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, cast, col, lit};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::definition::LooksAt;
use crate::dirty::Dirty;
use crate::news::News;
use crate::remembered::Remembered;

/// The accepted rows of one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) provider: Arc<dyn TableProvider>,
    /// No row above this exists for the reader.
    pub(crate) data_seq: i64,
    /// The last of them, where they are held.
    pub(crate) news: Option<News>,
}

/// Event times, both ends inclusive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Between {
    pub(crate) from: Option<Micros>,
    pub(crate) to: Option<Micros>,
}

/// Up to so many orgs are named in the filter itself, so that files without them are not opened.
const MOST_NAMED_ORGS: usize = 100;

impl Records {
    /// Accepted rows whose `seq` lies above `after`. Of new ones only what stores and grains are made of is there.
    pub(crate) fn after(&self, context: &SessionContext, after: i64, between: Between) -> Result<DataFrame> {
        match self.news.as_ref().filter(|news| news.after <= after) {
            Some(news) => news.after(context, after, between),
            None => self.in_files(context, after, between),
        }
    }

    fn in_files(&self, context: &SessionContext, after: i64, between: Between) -> Result<DataFrame> {
        let mut holds = col(column::DISPOSITION)
            .eq(lit(Disposition::Accepted.as_str()))
            .and(col(column::SEQ).lt_eq(lit(self.data_seq)));
        if after > 0 {
            holds = holds.and(col(column::SEQ).gt(lit(after)));
        }
        if let Some(from) = between.from {
            holds = holds.and(col(column::TIME).gt_eq(instant(from)));
            holds = holds.and(col(column::DATE).gt_eq(day(from)));
        }
        if let Some(to) = between.to {
            holds = holds.and(col(column::TIME).lt_eq(instant(to)));
            holds = holds.and(col(column::DATE).lt_eq(day(to)));
        }
        context.read_table(Arc::clone(&self.provider))?.filter(holds)
    }

    /// What a detector may see of the rows of dirty grains: the event's own columns and `content_hash`, and of these what it
    /// looks at.
    pub(crate) async fn events(
        &self,
        context: &SessionContext,
        remembered: &Remembered,
        looks_at: Option<&LooksAt>,
        dirty: &Dirty,
        reach: i64,
        to: Option<Micros>,
    ) -> Result<DataFrame> {
        let from = dirty.earliest().map(|from| from.plus(reach.saturating_neg()));
        let between = Between { from, to };
        let mut rows = match looks_at {
            Some(looks_at) => self.held_or_read(context, remembered, looks_at, between).await?,
            None => self.in_files(context, 0, between)?.select(visible().map(col).collect::<Vec<_>>())?,
        };
        if let Some(orgs) = dirty.orgs().filter(|orgs| orgs.len() <= MOST_NAMED_ORGS) {
            rows = rows.filter(org_is_one_of(&orgs))?;
        }
        only_dirty(context, rows, dirty, Some(reach))
    }

    async fn held_or_read(
        &self,
        context: &SessionContext,
        remembered: &Remembered,
        looks_at: &LooksAt,
        between: Between,
    ) -> Result<DataFrame> {
        let held = match between.from {
            Some(from) => remembered.rows(context, self, looks_at, from).await?,
            None => None,
        };
        match held {
            Some(held) => happened(context.read_table(held)?, between),
            None => self.looked_at(context, looks_at, 0, between),
        }
    }

    /// The columns and rows that `looks_at` means, of those whose `seq` lies above `after`.
    pub(crate) fn looked_at(
        &self,
        context: &SessionContext,
        looks_at: &LooksAt,
        after: i64,
        between: Between,
    ) -> Result<DataFrame> {
        let rows = self.in_files(context, after, between)?;
        let when = rows.parse_sql_expr(&looks_at.when)?;
        rows.filter(when)?.select(looks_at.columns.iter().map(col).collect::<Vec<_>>())
    }
}

impl News {
    fn after(&self, context: &SessionContext, after: i64, between: Between) -> Result<DataFrame> {
        let rows = context.read_table(Arc::clone(&self.rows))?.filter(col(column::SEQ).gt(lit(after)))?;
        happened(rows, between)
    }
}

/// Every column that a detector may see of an event.
pub(crate) fn visible() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name).chain([column::CONTENT_HASH])
}

fn happened(rows: DataFrame, between: Between) -> Result<DataFrame> {
    let rows = match between.from {
        Some(from) => rows.filter(col(column::TIME).gt_eq(instant(from)))?,
        None => rows,
    };
    match between.to {
        Some(to) => rows.filter(col(column::TIME).lt_eq(instant(to))),
        None => Ok(rows),
    }
}

/// Rows whose grain is dirty, and whose time lies at most `reach` before what is judged there (`None`: any time).
pub(crate) fn only_dirty(
    context: &SessionContext,
    rows: DataFrame,
    dirty: &Dirty,
    reach: Option<i64>,
) -> Result<DataFrame> {
    if dirty.columns.is_empty() {
        return Ok(rows);
    }
    let marks = context.read_table(marks(dirty, reach.unwrap_or(0))?)?.into_unoptimized_plan();
    let hidden: Vec<String> = (0..dirty.columns.len()).map(hidden_name).collect();
    let late_enough = reach.map(|_| col(column::TIME).gt_eq(col(READ_FROM)));
    let (state, plan) = rows.into_parts();
    let joined = LogicalPlanBuilder::from(plan)
        .join_detailed(
            marks,
            JoinType::LeftSemi,
            (dirty.columns.clone(), hidden),
            late_enough,
            NullEquality::NullEqualsNull,
        )?
        .build()?;
    Ok(DataFrame::new(state, joined))
}

const READ_FROM: &str = "__read_from";

/// Names that no table has, so that no join is ambiguous.
fn hidden_name(place: usize) -> String {
    format!("__grain_{place}")
}

fn marks(dirty: &Dirty, reach: i64) -> Result<Arc<dyn TableProvider>> {
    let names: Vec<String> = (0..dirty.columns.len()).map(hidden_name).collect();
    grain_table(dirty, &names, READ_FROM, |from| from.plus(reach.saturating_neg()))
}

/// The table `dirty` that a detector's SQL may read.
pub(crate) fn dirty_table(dirty: &Dirty) -> Result<Arc<dyn TableProvider>> {
    grain_table(dirty, &dirty.columns, "from_time", |from| from)
}

fn grain_table(
    dirty: &Dirty,
    names: &[String],
    time: &str,
    shift: impl Fn(Micros) -> Micros,
) -> Result<Arc<dyn TableProvider>> {
    let mut fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    fields.push(Field::new(time, timestamp(), true));
    let mut columns: Vec<ArrayRef> = Vec::new();
    for place in 0..names.len() {
        columns.push(Arc::new(dirty.from.keys().map(|key| key[place].as_deref()).collect::<StringArray>()));
    }
    let times: TimestampMicrosecondArray = dirty.from.values().map(|from| Some(shift(*from).0)).collect();
    columns.push(Arc::new(times.with_timezone("UTC")));
    memory_table(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(DataFusionError::from)?)
}

pub(crate) fn memory_table(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
}

/// Null is a value here: rows without an org belong together.
pub(crate) fn org_is_one_of(orgs: &[Option<String>]) -> Expr {
    let named: Vec<Expr> = orgs.iter().flatten().map(|org| lit(org.as_str())).collect();
    let unknown = orgs.contains(&None).then(|| col(column::ORG_ID).is_null());
    match unknown {
        Some(unknown) if named.is_empty() => unknown,
        Some(unknown) => col(column::ORG_ID).in_list(named, false).or(unknown),
        None => col(column::ORG_ID).in_list(named, false),
    }
}

pub(crate) fn instant(time: Micros) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into())))
}

fn day(time: Micros) -> Expr {
    lit(ScalarValue::Date32(Some(time.utc_day())))
}

pub(crate) fn as_number(time: Expr) -> Expr {
    cast(time, DataType::Int64)
}
