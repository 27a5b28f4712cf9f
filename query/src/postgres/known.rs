//! The tables that the catalogue lists: names and columns, without a way to their rows.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;

use super::PG_CATALOG;
use super::comments::PG_CLASS;
use crate::information::{CATALOG, INFORMATION_SCHEMA, SCHEMA, is_view, tables_of_information};
use crate::tables::TableInfo;

/// Shared by the catalogue and the functions that read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<RwLock<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    tables: Vec<TableInfo>,
    /// Comments by the OID of their table and the column's place; 0 is the table itself.
    comments: HashMap<(i64, i64), String>,
}

/// Tables of the catalogue that clients ask for by name, to compare OIDs of: `'pg_class'::regclass`.
const NAMED: [&str; 5] = [PG_CLASS, "pg_namespace", "pg_type", "pg_proc", "pg_constraint"];

fn named(name: &str) -> TableInfo {
    TableInfo { name: name.to_owned(), schema: Arc::new(Schema::empty()) }
}

impl Known {
    pub(super) fn are(&self, tables: &[TableInfo]) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).tables = tables.to_vec();
    }

    pub(super) fn tables(&self) -> Vec<TableInfo> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tables.clone()
    }

    pub(super) fn say(&self, comments: HashMap<(i64, i64), String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).comments = comments;
    }

    pub(super) fn comment(&self, table: i64, place: i64) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).comments.get(&(table, place)).cloned()
    }

    fn of(&self, schema: &str) -> Vec<TableInfo> {
        match schema {
            SCHEMA => self.tables(),
            INFORMATION_SCHEMA => tables_of_information(),
            PG_CATALOG => NAMED.iter().map(|name| named(name)).collect(),
            _ => Vec::new(),
        }
    }

    fn table(&self, schema: &str, name: &str) -> Option<TableInfo> {
        self.of(schema).into_iter().find(|table| table.name == name)
    }
}

#[async_trait]
impl CatalogInfo for Known {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let names = [SCHEMA, INFORMATION_SCHEMA, PG_CATALOG];
        Ok((catalog == CATALOG).then(|| names.map(str::to_owned).to_vec()))
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok((catalog == CATALOG).then(|| self.of(schema).into_iter().map(|table| table.name).collect()))
    }

    async fn table_schema(&self, _: &str, schema: &str, name: &str) -> Result<Option<SchemaRef>, DataFusionError> {
        Ok(self.table(schema, name).map(|table| table.schema))
    }

    async fn table_type(&self, _: &str, schema: &str, name: &str) -> Result<Option<TableType>, DataFusionError> {
        let kind = if schema == INFORMATION_SCHEMA || is_view(name) { TableType::View } else { TableType::Base };
        Ok(self.table(schema, name).map(|_| kind))
    }
}
