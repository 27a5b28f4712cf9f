//! Dated data files (provider profiles and the like) as tables that a detector's SQL can read.
//!
//! Columns are the union of the rows' keys; a column's type follows from its values. A file without a date or a source
//! is refused: a number that nobody can trace back is no reason to alarm.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// A data file, read and typed.
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    pub name: String,
    pub rows: RecordBatch,
}

#[derive(Debug, Error)]
#[error("read data file \"{file}\": {what}")]
pub struct InvalidDataFile {
    pub file: String,
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    date: String,
    source: String,
    rows: Vec<Map<String, Value>>,
}

impl DataTable {
    pub fn parse(name: &str, content: &str) -> Result<Self, InvalidDataFile> {
        let failed = |what: String| InvalidDataFile { file: name.to_owned(), what };
        let written: Written = serde_yaml_ng::from_str(content).map_err(|error| failed(error.to_string()))?;
        if written.date.trim().is_empty() || written.source.trim().is_empty() {
            return Err(failed("date and source may not be empty".to_owned()));
        }
        let schema = schema_of(&written.rows).map_err(failed)?;
        let rows = typed(&schema, &written.rows).map_err(|error| failed(error.to_string()))?;
        Ok(Self { name: name.to_owned(), rows })
    }
}

fn schema_of(rows: &[Map<String, Value>]) -> Result<SchemaRef, String> {
    let mut columns: BTreeMap<&str, DataType> = BTreeMap::new();
    for (column, value) in rows.iter().flatten() {
        let Some(found) = type_of(value) else { continue };
        let known = columns.entry(column).or_insert_with(|| found.clone());
        *known = match (&*known, &found) {
            (one, other) if one == other => found,
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
            (one, other) => return Err(format!("column \"{column}\" is {one} in one row and {other} in another")),
        };
    }
    let fields: Vec<Field> = columns.into_iter().map(|(name, of)| Field::new(name, of, true)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// `None` says nothing about the type.
fn type_of(value: &Value) -> Option<DataType> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(DataType::Boolean),
        Value::Number(number) if number.is_i64() => Some(DataType::Int64),
        Value::Number(_) => Some(DataType::Float64),
        Value::Array(_) => Some(DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))),
        Value::String(_) | Value::Object(_) => Some(DataType::Utf8),
    }
}

fn typed(schema: &SchemaRef, rows: &[Map<String, Value>]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn columns_are_typed_by_their_values() {
        let text = "date: 2026-06-01\nsource: docs\nrows:\n  - {host: a.example, days: 7}\n  - {host: b.example, codes: [x, y]}\n";
        let table = DataTable::parse("profiles", text).unwrap();
        assert_eq!(table.rows.num_rows(), 2);
        assert_eq!(table.rows["days"].data_type(), &DataType::Int64);
        assert_eq!(table.rows["host"].as_string::<i32>().value(1), "b.example");
    }

    #[test]
    fn a_column_of_two_minds_is_refused() {
        let text = "date: 2026-06-01\nsource: docs\nrows:\n  - {days: 7}\n  - {days: seven}\n";
        let said = DataTable::parse("profiles", text).unwrap_err().to_string();
        assert!(said.contains("profiles") && said.contains("days"), "{said}");
    }

    #[test]
    fn data_without_a_source_is_refused() {
        assert!(DataTable::parse("profiles", "date: 2026-06-01\nrows: []\n").is_err());
    }
}
