//! `information_schema`: the session's own tables and their columns, and nothing else.
//!
//! The engine's own would also list settings of the process.

mod postgres;

use std::sync::Arc;

use credwatch_schemas::event::field;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, MemorySchemaProvider, SchemaProvider};
use datafusion::error::Result;

use crate::catalogue;
use crate::statement::Words;
use crate::tables::{FINDINGS_CURRENT, TableInfo};

pub(crate) const CATALOG: &str = "credwatch";
pub(crate) const SCHEMA: &str = "public";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

pub(crate) fn information_schema(tables: &[TableInfo], words: Words) -> Result<Arc<dyn SchemaProvider>> {
    let schema = MemorySchemaProvider::new();
    for (name, rows) in lists(tables, words)? {
        schema.register_table(name.to_owned(), memory_table(rows)?)?;
    }
    Ok(Arc::new(schema))
}

fn lists(tables: &[TableInfo], words: Words) -> Result<Vec<(&'static str, RecordBatch)>> {
    let columns = match words {
        Words::Own => list_of_columns(tables)?,
        Words::Postgres => postgres::list_of_columns(tables)?,
    };
    let keys = [("table_constraints", CONSTRAINTS), ("key_column_usage", USAGE)];
    let keys = keys.map(|(name, columns)| (name, nothing(columns)));
    let there = [("tables", list_of_tables(tables)?), ("columns", columns), ("schemata", list_of_schemas()?)];
    Ok(there.into_iter().chain(keys).collect())
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

fn memory_table(rows: RecordBatch) -> Result<Arc<MemTable>> {
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
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
    let known = lists(&[], Words::Postgres).unwrap_or_default();
    known.into_iter().map(|(name, rows)| TableInfo { name: name.to_owned(), schema: rows.schema() }).collect()
}

/// Whether it is put together from others.
pub(crate) fn is_view(name: &str) -> bool {
    name == FINDINGS_CURRENT || catalogue::views().iter().any(|view| view.name == name)
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
        FINDINGS_CURRENT => "The last revision of each finding.",
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
