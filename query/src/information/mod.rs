//! `information_schema`: the session's own tables and their columns, and nothing else.
//!
//! The engine's own would also list settings of the process.

mod postgres;

use std::sync::Arc;

use async_trait::async_trait;
use credwatch_schemas::event::field;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::Result;

use crate::catalogue;
use crate::statement::Words;
use crate::tables::TableInfo;

pub(crate) const CATALOG: &str = "credwatch";
pub(crate) const SCHEMA: &str = "public";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// The lists are made when a statement names them: most name none.
#[derive(Debug)]
pub(crate) struct InformationSchema {
    tables: Arc<[TableInfo]>,
    words: Words,
}

impl InformationSchema {
    pub(crate) fn new(tables: Arc<[TableInfo]>, words: Words) -> Self {
        Self { tables, words }
    }
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        LISTS.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(rows) = list(name, &self.tables, self.words)? else { return Ok(None) };
        Ok(Some(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        LISTS.contains(&name)
    }
}

const LISTS: [&str; 5] = ["tables", "columns", "schemata", "table_constraints", "key_column_usage"];

fn list(name: &str, tables: &[TableInfo], words: Words) -> Result<Option<RecordBatch>> {
    Ok(Some(match name {
        "tables" => list_of_tables(tables)?,
        "columns" if words == Words::Own => list_of_columns(tables)?,
        "columns" => postgres::list_of_columns(tables)?,
        "schemata" => list_of_schemas()?,
        "table_constraints" => nothing(CONSTRAINTS),
        "key_column_usage" => nothing(USAGE),
        _ => return Ok(None),
    }))
}

/// No table has keys.
const CONSTRAINTS: &[&str] = &[
    "constraint_catalog",
    "constraint_schema",
    "constraint_name",
    "table_catalog",
    "table_schema",
    "table_name",
    "constraint_type",
];
const USAGE: &[&str] = &[
    "constraint_catalog",
    "constraint_schema",
    "constraint_name",
    "table_catalog",
    "table_schema",
    "table_name",
    "column_name",
];

fn nothing(columns: &[&str]) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    RecordBatch::new_empty(Arc::new(Schema::new(fields)))
}

fn list_of_schemas() -> Result<RecordBatch> {
    let names = [SCHEMA, INFORMATION_SCHEMA];
    Ok(RecordBatch::try_from_iter([
        ("catalog_name", same(CATALOG, names.len())),
        ("schema_name", texts(names.iter().map(|name| (*name).to_owned()))),
    ])?)
}

fn list_of_tables(tables: &[TableInfo]) -> Result<RecordBatch> {
    let count = tables.len();
    Ok(RecordBatch::try_from_iter([
        ("table_catalog", same(CATALOG, count)),
        ("table_schema", same(SCHEMA, count)),
        ("table_name", texts(tables.iter().map(|table| table.name.clone()))),
        ("table_type", texts(tables.iter().map(|table| kind(&table.name).to_owned()))),
        ("table_comment", comments(tables.iter().map(|table| table_comment(&table.name)))),
    ])?)
}

pub(crate) fn list_of_columns(tables: &[TableInfo]) -> Result<RecordBatch> {
    let each =
        || tables.iter().flat_map(|table| table.schema.fields().iter().zip(1_i64..).map(move |field| (table, field)));
    let count = each().count();
    let places: ArrayRef = Arc::new(each().map(|(_, (_, place))| Some(place)).collect::<Int64Array>());
    Ok(RecordBatch::try_from_iter([
        ("table_catalog", same(CATALOG, count)),
        ("table_schema", same(SCHEMA, count)),
        ("table_name", texts(each().map(|(table, _)| table.name.clone()))),
        ("column_name", texts(each().map(|(_, (field, _))| field.name().clone()))),
        ("ordinal_position", places),
        ("is_nullable", texts(each().map(|(_, (field, _))| if field.is_nullable() { "YES" } else { "NO" }.to_owned()))),
        ("data_type", texts(each().map(|(_, (field, _))| field.data_type().to_string()))),
        ("column_comment", comments(each().map(|(_, (field, _))| column_comment(field.name())))),
    ])?)
}

/// Names and columns of the tables here, as clients of Postgres find them.
pub(crate) fn tables_of_information() -> Vec<TableInfo> {
    let known = |name: &str| list(name, &[], Words::Postgres).ok()?.map(|rows| rows.schema());
    let info = |name: &str| known(name).map(|schema| TableInfo { name: name.to_owned(), schema });
    LISTS.into_iter().filter_map(info).collect()
}

/// Whether it is put together from others.
pub(crate) fn is_view(name: &str) -> bool {
    catalogue::views().iter().any(|view| view.name == name)
}

fn kind(name: &str) -> &'static str {
    if is_view(name) { "VIEW" } else { "BASE TABLE" }
}

/// What a table is, in a sentence.
pub(crate) fn table_comment(name: &str) -> Option<String> {
    let known = match name {
        "events" => "Every event, once.",
        "rejects" => "Records that did not become events, and why.",
        "duplicates" => "Repeats of events that are there already.",
        "records" => "Every record that was read: events, rejects and duplicates.",
        "findings" => "Every revision of every finding.",
        "coverage" => "Which intervals each detector has judged, and how that ended.",
        "configuration" => "What judgements depended on besides events, and since when.",
        "audit" => "What people and programs did with credwatch itself.",
        "keys" => "Keys of the API: made and revoked.",
        "access_grants" => "What people are allowed whom the OpenID issuer vouches for.",
        "saved_queries" => "Statements that people keep under a name: every change.",
        "reports" => "Every edition of every report that was made.",
        "notices" => {
            "What was told to people, by route: a row for each finding of each message, and one when it was taken."
        }
        "consumers" => "How far each puller has said that it is.",
        _ if name.starts_with("rollup_") || name.starts_with("ledger_") => {
            "What detectors keep between judgements; it can be computed again from the events."
        }
        _ => return catalogue::views().into_iter().find(|view| view.name == name).map(|view| view.meaning.to_owned()),
    };
    Some(known.to_owned())
}

/// A column means the same in every table that has it.
pub(crate) fn column_comment(name: &str) -> Option<String> {
    field(name).map(|field| field.meaning.to_owned())
}

fn comments(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn same(value: &str, count: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, count)))
}
