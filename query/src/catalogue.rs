//! The views that analysts find ready: each is a statement over the scoped tables, in a file whose first line says what
//! it is. They see what the session sees and nothing more.

use std::fmt::Write;
use std::sync::Arc;

use credwatch_schemas::event::FIELDS;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use futures::FutureExt;

/// A view: its name, what it is, and the statement that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) meaning: String,
    sql: String,
}

/// All of them. They read `events` alone, which every session has.
pub(crate) fn views() -> Vec<View> {
    vec![
        written("calls", include_str!("../catalogue/calls.sql")),
        written("refreshes", include_str!("../catalogue/refreshes.sql")),
        written("first_seen_destinations", include_str!("../catalogue/first_seen_destinations.sql")),
        written("grants_asof", include_str!("../catalogue/grants_asof.sql")),
        field_coverage(),
    ]
}

impl View {
    /// The view over the tables that the session has by now. They lie in memory, so planning never has to wait.
    pub(crate) fn over(&self, context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let waits = || DataFusionError::Internal(format!("planning the view {} has to wait", self.name));
        Ok(context.sql(&self.sql).now_or_never().ok_or_else(waits)??.into_view())
    }
}

fn written(name: &'static str, file: &str) -> View {
    let (meaning, sql) = file.split_once('\n').unwrap_or_default();
    View { name, meaning: meaning.trim_start_matches("-- ").to_owned(), sql: sql.to_owned() }
}

/// How many rows of each org and source fill each column: one pass over the events, whatever the number of columns.
fn field_coverage() -> View {
    let (mut counts, mut names, mut filled) = (String::new(), String::new(), String::new());
    for (place, field) in FIELDS.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        // Names of our own fields: plain words, never a user's.
        write!(counts, ", count({}) AS filled_{place}", field.name).unwrap_or_default();
        write!(names, "{comma}'{}'", field.name).unwrap_or_default();
        write!(filled, "{comma}filled_{place}").unwrap_or_default();
    }
    let sql = format!(
        "SELECT org_id, source, column_name, rows, filled FROM (
            SELECT org_id, source, rows, unnest(make_array({names})) AS column_name, unnest(make_array({filled})) AS filled
            FROM (SELECT org_id, source, count(*) AS rows{counts} FROM events GROUP BY org_id, source)
        )"
    );
    let meaning = "How many events of each org and source fill each column: what a detector could see.".to_owned();
    View { name: "field_coverage", meaning, sql }
}
