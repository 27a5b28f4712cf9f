//! Ledgers and rollups: GROUP BYs that are kept, not recomputed. Their cost follows new rows, never history.
//!
//! A store's table holds partial aggregates; reading groups them once more, and since the aggregates merge (first, sum,
//! min, max), neither order nor number of parts matters. Every part is committed with the store's own `seq`, the highest
//! row that is in, under a fence that names the previous one: each row goes in exactly once, whoever is killed when.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_lake::{Change, Committed, Lake, LakeSnapshot, TableName};
use credwatch_schemas::event::{self, timestamp};
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::expr_fn::{first_value, max, min, sum};
use datafusion::logical_expr::{Expr, ExprSchemable, SortExpr, cast, col, lit};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::definition::{Aggregate, Definition, Ledger, Merge, Need, Rollup, Span};
use crate::error::{Doing, EngineError};
use crate::grains;
use crate::rows_of::{Between, Records, as_number, instant};

/// One kept GROUP BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    Ledger(Ledger),
    Rollup(Rollup),
}

/// What bringing a store up to date came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    Done,
    /// Somebody else moved it meanwhile: take a newer snapshot.
    Moved,
}

/// The name of the transaction that says which rows are in.
pub(crate) const SEQ: &str = "seq";

/// What a ledger remembers of a first event, with the column of the event that it comes from.
const FIRSTS: [(&str, &str); 4] = [
    ("first_time", column::TIME),
    ("first_event_id", column::EVENT_ID),
    ("first_content_hash", column::CONTENT_HASH),
    ("first_source", column::SOURCE),
];

impl Store {
    /// Every store that a detector reads, those that watch its needs included.
    pub(crate) fn all_of(definition: &Definition) -> Vec<Self> {
        let ledgers = definition.ledgers.values().cloned().map(Self::Ledger);
        let rollups = definition.rollups.values().cloned().map(Self::Rollup);
        let watched = definition.needs.iter().map(|need| Self::Rollup(watch(need)));
        ledgers.chain(rollups).chain(watched).chain([Self::Ledger(grains::ledger(definition))]).collect()
    }

    pub(crate) fn table(&self) -> TableName {
        match self {
            Self::Ledger(ledger) => TableName::Ledger(ledger.table()),
            Self::Rollup(rollup) => TableName::Rollup(rollup.table()),
        }
    }

    fn keys(&self) -> &[String] {
        match self {
            Self::Ledger(ledger) => &ledger.keys,
            Self::Rollup(rollup) => &rollup.keys,
        }
    }

    /// Keys sorted, so that equal declarations have equal tables.
    fn sorted_keys(&self) -> Vec<String> {
        let mut keys = self.keys().to_vec();
        keys.sort();
        keys
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let shape = |name: &str| event::field(name).map_or(DataType::Utf8, |field| field.shape.arrow());
        let mut fields: Vec<Field> = self.sorted_keys().iter().map(|key| Field::new(key, shape(key), true)).collect();
        match self {
            Self::Ledger(_) => fields.extend([
                Field::new("first_time", timestamp(), true),
                Field::new("first_event_id", DataType::Utf8, true),
                Field::new("first_content_hash", DataType::Int64, true),
                Field::new("first_source", DataType::Utf8, true),
            ]),
            Self::Rollup(rollup) => {
                fields.push(Field::new("start", timestamp(), true));
                fields.extend(rollup.aggregates.keys().map(|name| Field::new(name, DataType::Int64, true)));
            }
        }
        Arc::new(Schema::new(fields))
    }

    fn when(&self) -> &str {
        match self {
            Self::Ledger(ledger) => &ledger.when,
            Self::Rollup(rollup) => &rollup.when,
        }
    }

    /// Columns of an event that go into it.
    pub(crate) fn columns_read(&self, rows: &DataFrame) -> Result<BTreeSet<String>> {
        let mut columns: BTreeSet<String> = self.keys().iter().cloned().collect();
        let aggregates = match self {
            Self::Ledger(_) => {
                columns.extend(FIRSTS.map(|(_, source)| source.to_owned()));
                Vec::new()
            }
            Self::Rollup(rollup) => rollup.aggregates.values().map(|one| one.sql.as_str()).collect(),
        };
        for sql in aggregates.into_iter().chain([self.when()]) {
            let expression = rows.parse_sql_expr(sql)?;
            columns.extend(expression.column_refs().into_iter().map(|column| column.name.clone()));
        }
        Ok(columns)
    }

    /// Partial aggregates of rows that are not in yet.
    fn parts(&self, rows: DataFrame) -> Result<DataFrame> {
        let when = rows.parse_sql_expr(self.when())?;
        let rows = rows.filter(when)?;
        let mut keys: Vec<Expr> = self.sorted_keys().iter().map(col).collect();
        match self {
            Self::Ledger(_) => rows.aggregate(keys, firsts(|(_, source)| source)),
            Self::Rollup(rollup) => {
                keys.push(interval_start(rollup.every).alias("start"));
                let aggregates = rollup.aggregates.iter().map(|(name, one)| partial(&rows, name, one));
                let aggregates = aggregates.collect::<Result<Vec<_>>>()?;
                rows.aggregate(keys, aggregates)?.select(self.columns())
            }
        }
    }

    /// Begin of the first interval that is read.
    fn earliest(&self, from: Option<Micros>) -> Option<Micros> {
        match self {
            Self::Ledger(_) => None,
            Self::Rollup(rollup) => Some(from?.plus(-rollup.reach?.micros() - rollup.every.micros())),
        }
    }

    fn columns(&self) -> Vec<Expr> {
        let number = |field: &Arc<Field>| match field.data_type() {
            DataType::Int64 => cast(col(field.name()), DataType::Int64).alias(field.name()),
            _ => col(field.name()),
        };
        self.schema().fields().iter().map(number).collect()
    }

    /// Parts merged into what the declaration says.
    pub(crate) fn merged(&self, parts: DataFrame) -> Result<DataFrame> {
        let mut keys: Vec<Expr> = self.sorted_keys().iter().map(col).collect();
        match self {
            Self::Ledger(_) => parts.aggregate(keys, firsts(|(name, _)| name)),
            Self::Rollup(rollup) => {
                keys.push(col("start"));
                let merge = |(name, one): (&String, &Aggregate)| merge(one.merge)(col(name)).alias(name);
                parts.aggregate(keys, rollup.aggregates.iter().map(merge).collect())
            }
        }
    }

    /// Rows that are read together lie together.
    pub(crate) fn ordered(&self, merged: DataFrame) -> Result<DataFrame> {
        let interval = matches!(self, Self::Rollup(_)).then_some("start");
        let keys = self.sorted_keys();
        let order = interval.into_iter().chain(keys.iter().map(String::as_str));
        merged.sort(order.map(|column| col(column).sort(true, false)).collect())
    }

    /// The store as a detector sees it that judges from `from` on, as of `until`: a ledger row that began later is not
    /// there yet, an interval that has not ended by then is not counted, and one out of reach is not read.
    pub(crate) fn view(
        &self,
        context: &SessionContext,
        parts: DataFrame,
        from: Option<Micros>,
        until: Option<Micros>,
    ) -> Result<DataFrame> {
        let parts = match self.earliest(from) {
            Some(earliest) => parts.filter(col("start").gt_eq(instant(earliest)))?,
            None => parts,
        };
        let parts = match (self, until) {
            (_, None) => parts,
            (Self::Ledger(_), Some(until)) => parts.filter(col("first_time").lt_eq(instant(until)))?,
            (Self::Rollup(rollup), Some(until)) => {
                parts.filter(col("start").lt_eq(instant(until.plus(-rollup.every.micros()))))?
            }
        };
        let merged = self.merged(parts)?;
        match self {
            Self::Rollup(_) => Ok(merged),
            Self::Ledger(ledger) => {
                let record_id = context.udf("record_id")?;
                let id = record_id
                    .call(["first_source", column::ORG_ID, "first_event_id", "first_content_hash"].map(col).to_vec());
                let mut shown: Vec<Expr> = ledger.keys.iter().map(col).collect();
                shown.extend(["first_time", "first_event_id", "first_source"].map(col));
                shown.push(id.alias("first_record_id"));
                merged.select(shown)
            }
        }
    }
}

/// How often each needed column was filled, per org, source and day: what observability is decided from.
pub(crate) fn watch(need: &Need) -> Rollup {
    let count = |text: String| Aggregate { merge: Merge::Sum, sql: text };
    let mut aggregates = std::collections::BTreeMap::from([("matches".to_owned(), count("count(*)".to_owned()))]);
    aggregates.extend(need.columns.iter().map(|column| (filled_name(column), count(format!("count({column})")))));
    let keys = vec![column::ORG_ID.to_owned(), column::SOURCE.to_owned()];
    Rollup { every: Span::DAY, keys, when: need.when.clone(), aggregates, reach: None }
}

pub(crate) fn filled_name(column: &str) -> String {
    format!("filled_{column}")
}

fn interval_start(every: Span) -> Expr {
    let time = as_number(col(column::TIME));
    cast(time.clone() - time % lit(every.micros()), timestamp())
}

fn firsts(from: impl Fn((&'static str, &'static str)) -> &'static str) -> Vec<Expr> {
    let order: Vec<SortExpr> = FIRSTS.iter().map(|first| col(from(*first)).sort(true, false)).collect();
    FIRSTS.iter().map(|first| first_value(col(from(*first)), order.clone()).alias(first.0)).collect()
}

fn partial(rows: &DataFrame, name: &str, aggregate: &Aggregate) -> Result<Expr> {
    let expression = rows.parse_sql_expr(&aggregate.sql)?;
    let kind = expression.get_type(rows.schema())?;
    if !kind.is_integer() {
        return Err(DataFusionError::Plan(format!("\"{name}\" is {kind}; only integers merge exactly")));
    }
    Ok(expression.alias(name))
}

fn merge(how: Merge) -> fn(Expr) -> Expr {
    match how {
        Merge::Sum => sum,
        Merge::Min => min,
        Merge::Max => max,
    }
}

/// Brings the store to the snapshot's rows. Its table is created when it is not there, and then built from the start.
pub(crate) async fn advance(
    lake: &Lake,
    snapshot: &LakeSnapshot,
    context: &SessionContext,
    records: &Records,
    store: &Store,
    now: Micros,
) -> std::result::Result<Advanced, EngineError> {
    let name = store.table();
    let table = snapshot.table(&name);
    if table.is_none() {
        lake.ensure_table(&name, store.schema()).await?;
    }
    let done = table.and_then(|table| table.transaction(SEQ));
    if done.unwrap_or(0) > records.data_seq {
        return Ok(Advanced::Moved);
    }
    if done == Some(records.data_seq) {
        return Ok(Advanced::Done);
    }
    let rows = records.after(context, done.unwrap_or(0), Between::default()).doing("read new rows")?;
    let parts = store.parts(rows).map_err(|error| wrong(&name, &error))?;
    let append = parts.collect().await.map_err(|error| wrong(&name, &error))?;
    credwatch_lake::fail_point::reach("detect-in-rollup");
    let change = Change {
        append,
        replace: None,
        expect: vec![(SEQ.to_owned(), done)],
        set: vec![(SEQ.to_owned(), records.data_seq)],
    };
    Ok(match lake.commit(&name, change, now).await? {
        Committed::Done { .. } => Advanced::Done,
        Committed::Lost => Advanced::Moved,
    })
}

fn wrong(name: &TableName, error: &DataFusionError) -> EngineError {
    EngineError::Store { table: name.to_string(), what: error.strip_backtrace() }
}

/// A provider of the store's parts; `None` when the table is not there.
pub(crate) fn parts_of(snapshot: &LakeSnapshot, store: &Store) -> Option<Arc<dyn TableProvider>> {
    snapshot.table(&store.table()).map(credwatch_lake::TableSnapshot::provider)
}
