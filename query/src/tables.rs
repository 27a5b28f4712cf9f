//! Which tables a session has, and what of them its scope sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use credwatch_lake::{LakeSnapshot, TableName};
use credwatch_schemas::records::{Disposition, column};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{col, lit};

use crate::information::is_view;
use crate::scope::{Books, TenantScope};
use crate::scoped_table::ScopedTable;

const RECORDS: &str = "records";
pub(crate) const EVENTS: &str = "events";
pub(crate) const FINDINGS: &str = "findings";
const KEYS: &str = "keys";
const GRANTS: &str = "access_grants";
const AUDIT: &str = "audit";

/// No statement sees what a key is recognised by.
const SECRETS_OF_KEYS: [&str; 2] = ["hash", "scram"];

/// What an accepted row has no value in, or always the same.
const NOT_OF_EVENTS: [&str; 4] = [column::DISPOSITION, column::REASON, column::DETAIL, column::RAW];

/// What a duplicate keeps.
const OF_DUPLICATES: [&str; 13] = [
    column::SEQ,
    column::INGEST_TIME,
    column::DATE,
    column::KAFKA_TOPIC,
    column::KAFKA_TOPIC_ID,
    column::KAFKA_PARTITION,
    column::KAFKA_OFFSET,
    column::KAFKA_INDEX,
    column::CONTENT_HASH,
    column::TIME,
    column::ORG_ID,
    column::EVENT_ID,
    column::SOURCE,
];

/// A table that a statement can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    pub name: String,
    pub schema: SchemaRef,
}

impl TableInfo {
    /// Whether it is put together from others.
    pub fn is_view(&self) -> bool {
        is_view(&self.name)
    }
}

/// Tables by name, with the rows of everybody. It never leaves this room.
pub(crate) type Whole = BTreeMap<String, Arc<dyn TableProvider>>;
pub(crate) type Scoped = BTreeMap<String, Arc<dyn TableProvider>>;

pub(crate) fn whole(snapshot: &LakeSnapshot) -> Whole {
    snapshot.tables().map(|table| (name_of(table.name()), table.provider())).collect()
}

fn name_of(table: &TableName) -> String {
    table.to_string()
}

/// The tables as the scope sees them. A table without `org_id` belongs to nobody but the operator.
pub(crate) fn scoped(whole: Whole, scope: &TenantScope, books: Books) -> Result<Scoped> {
    let mut tables = Scoped::new();
    for (name, table) in whole {
        let seen = match name.as_str() {
            RECORDS => {
                views_of_records(&mut tables, &table, scope)?;
                None
            }
            KEYS | GRANTS | AUDIT if books == Books::Closed => None,
            KEYS => seen(&table, scope, None, |column| !SECRETS_OF_KEYS.contains(&column))?,
            _ => seen(&table, scope, None, |_| true)?,
        };
        tables.extend(seen.map(|seen| (name, seen)));
    }
    Ok(tables)
}

fn views_of_records(tables: &mut Scoped, records: &Arc<dyn TableProvider>, scope: &TenantScope) -> Result<()> {
    let of = |disposition: Disposition| Some(col(column::DISPOSITION).eq(lit(disposition.as_str())));
    let views = [
        (EVENTS, seen(records, scope, of(Disposition::Accepted), |name| !NOT_OF_EVENTS.contains(&name))?),
        ("rejects", seen(records, scope, of(Disposition::Rejected), |name| name != column::DISPOSITION)?),
        ("duplicates", seen(records, scope, of(Disposition::Duplicate), |name| OF_DUPLICATES.contains(&name))?),
        (RECORDS, if scope.is_operator() { seen(records, scope, None, |_| true)? } else { None }),
    ];
    for (name, view) in views {
        tables.extend(view.map(|view| (name.to_owned(), view)));
    }
    Ok(())
}

fn seen(
    table: &Arc<dyn TableProvider>,
    scope: &TenantScope,
    kind: Option<Expr>,
    is_visible: impl Fn(&str) -> bool,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let org = scope.condition();
    if org.is_some() && table.schema().index_of(column::ORG_ID).is_err() {
        return Ok(None);
    }
    let condition = org.into_iter().chain(kind).reduce(Expr::and);
    let guarded = !scope.is_operator();
    Ok(Some(Arc::new(ScopedTable::new(Arc::clone(table), condition, guarded, is_visible)?)))
}
