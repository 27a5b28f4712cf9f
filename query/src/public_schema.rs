//! The session's own tables as statements find them: tables lie ready, and a view is planned when a statement names it.
//! Most statements name none, and planning all of them costs more than most statements.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result;

use crate::catalogue::{View, views};
use crate::tables::{Scoped, TableInfo};

#[derive(Debug)]
pub(crate) struct PublicSchema {
    tables: Scoped,
}

impl PublicSchema {
    pub(crate) fn new(tables: Scoped) -> Self {
        Self { tables }
    }

    /// Names and columns of all of them, in the order of names.
    pub(crate) fn infos(&self) -> Result<Vec<TableInfo>> {
        let tables = self.tables.iter().map(|(name, table)| TableInfo { name: name.clone(), schema: table.schema() });
        let mut infos: Vec<TableInfo> = tables.collect();
        for (view, read) in self.views() {
            infos.push(TableInfo { name: view.name.to_owned(), schema: view.columns_over(read)? });
        }
        infos.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(infos)
    }

    /// The views of tables that are there, each with what it reads.
    fn views(&self) -> impl Iterator<Item = (View, &Arc<dyn TableProvider>)> {
        views().into_iter().filter_map(|view| Some((view, self.tables.get(view.reads)?)))
    }
}

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        let views = self.views().map(|(view, _)| view.name.to_owned());
        self.tables.keys().cloned().chain(views).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        let view = self.views().find(|(view, _)| view.name == name);
        view.map(|(view, read)| view.over(Arc::clone(read))).transpose()
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name) || self.views().any(|(view, _)| view.name == name)
    }
}
