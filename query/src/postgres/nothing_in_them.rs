//! Tables of Postgres' catalogue that clients ask and the library does not have: here there is nothing in them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;

const EMPTY: [(&str, &[&str]); 2] = [
    ("pg_policies", &["schemaname", "tablename", "policyname", "permissive", "roles", "cmd", "qual", "with_check"]),
    ("pg_available_extensions", &["name", "default_version", "installed_version", "comment"]),
];

/// A catalogue with these tables too.
#[derive(Debug)]
pub(super) struct WithEmptyTables {
    inner: Arc<dyn SchemaProvider>,
}

impl WithEmptyTables {
    pub(super) fn new(inner: Arc<dyn SchemaProvider>) -> Self {
        Self { inner }
    }
}

fn columns(name: &str) -> Option<&'static [&'static str]> {
    EMPTY.iter().find(|(table, _)| *table == name).map(|(_, columns)| *columns)
}

/// A table of texts without rows.
fn empty(columns: &[&str]) -> Result<Arc<MemTable>> {
    let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    Ok(Arc::new(MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]])?))
}

#[async_trait]
impl SchemaProvider for WithEmptyTables {
    fn table_names(&self) -> Vec<String> {
        let names = EMPTY.iter().map(|(name, _)| (*name).to_owned());
        self.inner.table_names().into_iter().chain(names).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match columns(name) {
            Some(columns) => Ok(Some(empty(columns)?)),
            None => self.inner.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        columns(name).is_some() || self.inner.table_exist(name)
    }
}
