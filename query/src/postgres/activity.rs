//! `pg_stat_activity`: the connections of whoever asks and of nobody else, in Postgres' columns. What is not known,
//! such as a client's address or what it waits for, is null.

use std::sync::Arc;

use async_trait::async_trait;
use credwatch_schemas::time::Micros;
use datafusion::arrow::array::{
    ArrayRef, AsArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::prelude::{SessionContext, col, lit};
use datafusion_pg_catalog::pg_catalog::oid_field::{kind, oid_field};

use super::backends::{Backend, Stated};
use super::functions::Asker;
use crate::information::CATALOG;

const PG_STAT_ACTIVITY: &str = "pg_stat_activity";

/// The catalogue with this table in it.
#[derive(Debug)]
pub(super) struct WithActivity {
    inner: Arc<dyn SchemaProvider>,
    asker: Asker,
}

impl WithActivity {
    pub(super) fn new(inner: Arc<dyn SchemaProvider>, asker: Asker) -> Self {
        Self { inner, asker }
    }

    /// As of now: statements are planned anew each time that they run.
    async fn activity(&self) -> Result<Arc<dyn TableProvider>> {
        let (database, backends) = (self.database().await?, self.asker.backends.all());
        let activity = Activity { backends: &backends, user: &self.asker.user, database };
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = activity.columns().into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
    }

    /// The OID that `pg_database` has for it.
    async fn database(&self) -> Result<Option<i32>> {
        let Some(databases) = self.inner.table("pg_database").await? else { return Ok(None) };
        let ours = SessionContext::new().read_table(databases)?.filter(col("datname").eq(lit(CATALOG)))?;
        let rows = ours.select(vec![col("oid")])?.collect().await?;
        let Some(found) = rows.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
        Ok(Some(cast(found.column(0), &DataType::Int32)?.as_primitive::<Int32Type>().value(0)))
    }
}

#[async_trait]
impl SchemaProvider for WithActivity {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names().into_iter().chain([PG_STAT_ACTIVITY.to_owned()]).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match name {
            PG_STAT_ACTIVITY => self.activity().await.map(Some),
            other => self.inner.table(other).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        name == PG_STAT_ACTIVITY || self.inner.table_exist(name)
    }
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn state(statement: Option<&Stated>) -> &'static str {
    if statement.is_some_and(|statement| statement.is_running) { "active" } else { "idle" }
}

fn text(statement: Option<&Stated>) -> &str {
    statement.map_or("", |statement| statement.text.as_str())
}

/// Some connections, to be written as rows.
struct Activity<'a> {
    backends: &'a [Backend],
    user: &'a str,
    database: Option<i32>,
}

type Column = (Field, ArrayRef);

impl Activity<'_> {
    /// In Postgres' order.
    fn columns(&self) -> Vec<Column> {
        vec![
            self.oid("datid", self.database),
            self.text("datname", |_| Some(CATALOG.to_owned())),
            self.number("pid", |one| Some(one.number)),
            self.nothing("leader_pid", &DataType::Int32),
            self.oid("usesysid", None),
            self.text("usename", |_| Some(self.user.to_owned())),
            self.text("application_name", |one| Some(one.application.clone())),
            self.nothing("client_addr", &DataType::Utf8),
            self.nothing("client_hostname", &DataType::Utf8),
            self.nothing("client_port", &DataType::Int32),
            self.time("backend_start", |one| Some(one.began)),
            self.nothing("xact_start", &time()),
            self.time("query_start", |one| one.statement.as_ref().map(|statement| statement.began)),
            self.nothing("state_change", &time()),
            self.nothing("wait_event_type", &DataType::Utf8),
            self.nothing("wait_event", &DataType::Utf8),
            self.text("state", |one| Some(state(one.statement.as_ref()).to_owned())),
            self.nothing("backend_xid", &DataType::Utf8),
            self.nothing("backend_xmin", &DataType::Utf8),
            self.nothing("query_id", &DataType::Int64),
            self.text("query", |one| Some(text(one.statement.as_ref()).to_owned())),
            self.text("backend_type", |_| Some("client backend".to_owned())),
        ]
    }

    fn oid(&self, name: &str, value: Option<i32>) -> Column {
        let (_, column) = self.number(name, |_| value);
        (oid_field(name, kind::OID, true), column)
    }

    fn number(&self, name: &str, value: impl Fn(&Backend) -> Option<i32>) -> Column {
        let column = self.backends.iter().map(value).collect::<Int32Array>();
        (Field::new(name, DataType::Int32, true), Arc::new(column))
    }

    fn text(&self, name: &str, value: impl Fn(&Backend) -> Option<String>) -> Column {
        let column = self.backends.iter().map(value).collect::<StringArray>();
        (Field::new(name, DataType::Utf8, true), Arc::new(column))
    }

    fn time(&self, name: &str, value: impl Fn(&Backend) -> Option<Micros>) -> Column {
        let column = self.backends.iter().map(|one| value(one).map(|time| time.0));
        let column = column.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
        (Field::new(name, time(), true), Arc::new(column))
    }

    fn nothing(&self, name: &str, kind: &DataType) -> Column {
        (Field::new(name, kind.clone(), true), new_null_array(kind, self.backends.len()))
    }
}
