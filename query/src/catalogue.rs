//! The views that analysts find ready. They see what the session sees and nothing more. Most are statements, in files whose
//! first line says what they are; `field_coverage` has a column for each field of an event and is put together as a plan.

use std::sync::Arc;

use credwatch_schemas::event::FIELDS;
use credwatch_schemas::records::column;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionContext, col, ident, lit};
use futures::FutureExt;

use crate::tables::EVENTS;

/// A view: its name, what it is, and what makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    made: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    BySql(&'static str),
    OfFields,
}

/// All of them. They read `events` alone, which every session has.
pub(crate) fn views() -> [View; 5] {
    [
        written("calls", include_str!("../catalogue/calls.sql")),
        written("refreshes", include_str!("../catalogue/refreshes.sql")),
        written("first_seen_destinations", include_str!("../catalogue/first_seen_destinations.sql")),
        written("grants_asof", include_str!("../catalogue/grants_asof.sql")),
        View {
            name: "field_coverage",
            meaning: "How many events of each org and source fill each column: what a detector could see.",
            made: Made::OfFields,
        },
    ]
}

fn written(name: &'static str, file: &'static str) -> View {
    let (meaning, sql) = file.split_once('\n').unwrap_or_default();
    View { name, meaning: meaning.trim_start_matches("-- "), made: Made::BySql(sql) }
}

impl View {
    /// The view over the tables that the session has by now. They lie in memory, so planning never has to wait.
    pub(crate) fn over(&self, context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let waits = || DataFusionError::Internal(format!("planning the view {} has to wait", self.name));
        Ok(self.planned(context).now_or_never().ok_or_else(waits)??.into_view())
    }

    async fn planned(&self, context: &SessionContext) -> Result<DataFrame> {
        match self.made {
            Made::BySql(sql) => context.sql(sql).await,
            Made::OfFields => field_coverage(context.table(EVENTS).await?),
        }
    }
}

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
