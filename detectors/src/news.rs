//! The newest rows, read once a tick and held for all who ask for them: every store and every detector wants the same few
//! rows, and each would open the same files for them.
//!
//! Only so many are held; whoever is further behind reads the files, as if there were no news.

use std::collections::BTreeSet;
use std::sync::Arc;

use credwatch_schemas::records::column;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, col};
use datafusion::prelude::SessionContext;

use crate::definition::Definition;
use crate::rows_of::{Between, Records};
use crate::store::Store;

/// Of a backlog larger than this nothing is held: some 100 MB.
const MOST_ROWS: i64 = 131_072;

/// Accepted rows above one `seq`, in those columns that stores and grains are made of.
#[derive(Debug, Clone)]
pub(crate) struct News {
    pub(crate) after: i64,
    pub(crate) rows: Arc<dyn TableProvider>,
}

/// Reads what those who stand at `positions` have not seen; `None` when there is nothing, or too much.
pub(crate) async fn read<'a>(
    context: &SessionContext,
    records: &Records,
    positions: impl Iterator<Item = i64>,
    stores: impl Iterator<Item = &'a Store>,
    definitions: impl Iterator<Item = &'a Definition>,
) -> Result<Option<News>> {
    let near = |position: &i64| (1..=MOST_ROWS).contains(&(records.data_seq - position));
    let Some(after) = positions.filter(near).min() else { return Ok(None) };
    let rows = records.after(context, after, Between::default())?;
    let mut columns = BTreeSet::from([column::SEQ.to_owned(), column::TIME.to_owned()]);
    // What a store cannot read is told when it is kept.
    columns.extend(stores.filter_map(|store| store.columns_read(&rows).ok()).flatten());
    columns.extend(definitions.flat_map(|definition| definition.grain()).map(str::to_owned));
    columns.retain(|name| rows.schema().has_column_with_unqualified_name(name));
    let rows = rows.select(columns.iter().map(col).collect::<Vec<Expr>>())?;
    let schema = Arc::new(rows.schema().as_arrow().clone());
    let held = MemTable::try_new(schema, rows.collect_partitioned().await?)?;
    Ok(Some(News { after, rows: Arc::new(held) }))
}
