//! The views that analysts find ready. They see what the session sees and nothing more. Most are statements, in files whose
//! first line says what they are; `field_coverage` has a column for each field of an event and is put together as a plan, as
//! is `findings_current`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credwatch_schemas::event::FIELDS;
use credwatch_schemas::records::column;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::{Expr, JoinType};
use datafusion::prelude::{DataFrame, SessionContext, col, ident, lit};
use futures::FutureExt;

use crate::tables::{EVENTS, FINDINGS};
use crate::template;

/// A view: its name, what it is, and what makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// The one table that it is made of.
    pub(crate) reads: &'static str,
    made: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    BySql(&'static str),
    OfFields,
    OfRevisions,
}

/// All of them.
pub(crate) fn views() -> [View; 6] {
    [
        written("calls", include_str!("../catalogue/calls.sql")),
        written("refreshes", include_str!("../catalogue/refreshes.sql")),
        written("first_seen_destinations", include_str!("../catalogue/first_seen_destinations.sql")),
        written("grants_asof", include_str!("../catalogue/grants_asof.sql")),
        View {
            name: "field_coverage",
            meaning: "How many events of each org and source fill each column: what a detector could see.",
            reads: EVENTS,
            made: Made::OfFields,
        },
        View {
            name: "findings_current",
            meaning: "The last revision of each finding.",
            reads: FINDINGS,
            made: Made::OfRevisions,
        },
    ]
}

fn written(name: &'static str, file: &'static str) -> View {
    let (meaning, sql) = file.split_once('\n').unwrap_or_default();
    View { name, meaning: meaning.trim_start_matches("-- "), reads: EVENTS, made: Made::BySql(sql) }
}

impl View {
    /// The view over what it reads. That lies in memory, so planning never has to wait.
    pub(crate) fn over(&self, read: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
        let context = template::context(Arc::default());
        context.register_table(self.reads, read)?;
        let waits = || DataFusionError::Internal(format!("planning the view {} has to wait", self.name));
        Ok(self.planned(&context).now_or_never().ok_or_else(waits)??.into_view())
    }

    async fn planned(&self, context: &SessionContext) -> Result<DataFrame> {
        match self.made {
            Made::BySql(sql) => context.sql(sql).await,
            Made::OfFields => field_coverage(context.table(self.reads).await?),
            Made::OfRevisions => last_revisions(context.table(self.reads).await?),
        }
    }

    /// The columns that it has over what it reads.
    pub(crate) fn columns_over(&self, read: &Arc<dyn TableProvider>) -> Result<SchemaRef> {
        let of = read.schema();
        if let Some(known) = find(&lock(), self.name, &of) {
            return Ok(known);
        }
        let columns = self.over(Arc::clone(read))?.schema();
        let mut known = lock();
        if known.len() < MOST_KNOWN {
            known.push((self.name, of, Arc::clone(&columns)));
        }
        Ok(columns)
    }
}

/// Columns of views over tables of these columns. Only a plan says them, and they are the same for every session.
static KNOWN: Mutex<Vec<(&str, SchemaRef, SchemaRef)>> = Mutex::new(Vec::new());
const MOST_KNOWN: usize = 64;

type Known = MutexGuard<'static, Vec<(&'static str, SchemaRef, SchemaRef)>>;

fn lock() -> Known {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(known: &Known, name: &str, of: &SchemaRef) -> Option<SchemaRef> {
    let same = known.iter().find(|(view, read, _)| *view == name && read == of);
    same.map(|(.., columns)| Arc::clone(columns))
}

/// One row for each finding: its last revision. Which one that is shows in two narrow columns; only its row is read whole.
fn last_revisions(findings: DataFrame) -> Result<DataFrame> {
    let last = findings.clone().aggregate(vec![col("finding_id")], vec![max(col(column::SEQ)).alias(LAST)])?;
    findings.join(last.select(vec![col(LAST)])?, JoinType::LeftSemi, &[column::SEQ], &[LAST], None)
}

/// A name that no table has.
const LAST: &str = "__last_seq";

/// How many rows of each org and source fill each column: one pass over the events, whatever the number of columns.
fn field_coverage(events: DataFrame) -> Result<DataFrame> {
    let filled = |field: &str| format!("filled {field}");
    let counts = FIELDS.iter().map(|field| count(col(field.name)).alias(filled(field.name)));
    let counts: Vec<Expr> = [count(lit(1)).alias("rows")].into_iter().chain(counts).collect();
    let names = make_array(FIELDS.iter().map(|field| lit(field.name)).collect());
    let fillings = make_array(FIELDS.iter().map(|field| ident(filled(field.name))).collect());
    let (org, source, rows) = (col(column::ORG_ID), col(column::SOURCE), col("rows"));
    events
        .aggregate(vec![org.clone(), source.clone()], counts)?
        .select([org, source, names.alias("column_name"), rows, fillings.alias("filled")])?
        .unnest_columns(&["column_name", "filled"])
}
