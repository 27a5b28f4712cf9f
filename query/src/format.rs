//! An answer as text: for people (`table`), for spreadsheets (`csv`) and for programs (`json`, `ndjson`).
//!
//! Nothing is ever cut. Instants are RFC 3339 in UTC with `Z`. In JSON a NULL is written as `null`, so that every row
//! shows every column; in CSV it is empty, and lists, maps and structures are JSON text. A CSV has a header even
//! without rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited};
use datafusion::arrow::json::{Writer, WriterBuilder};
use datafusion::arrow::util::display::FormatOptions;
use datafusion::arrow::util::pretty::pretty_format_batches_with_options;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutputFormat {
    #[default]
    Table,
    Csv,
    Json,
    Ndjson,
}

const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

impl OutputFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// The whole answer. `schema` says the columns where there are no rows.
pub fn write(format: OutputFormat, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let batches: Vec<RecordBatch> = batches.iter().map(in_utc).collect::<Result<_, _>>()?;
    match format {
        OutputFormat::Table => table(schema, &batches),
        OutputFormat::Csv => csv_text(schema, &batches),
        OutputFormat::Json => json(&batches),
        OutputFormat::Ndjson => ndjson(&batches),
    }
}

/// Lines for one batch of a longer answer.
pub fn ndjson_lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    ndjson(&[in_utc(batch)?])
}

fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let options = FormatOptions::new()
        .with_timestamp_format(Some(INSTANT))
        .with_timestamp_tz_format(Some(INSTANT))
        .with_display_error(true);
    let empty = [RecordBatch::new_empty(Arc::clone(schema))];
    let shown = if batches.is_empty() { empty.as_slice() } else { batches };
    let text = pretty_format_batches_with_options(shown, &options)?;
    Ok(format!("{text}\n").into_bytes())
}

fn csv_text(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = csv::WriterBuilder::new()
        .with_header(true)
        .with_timestamp_format(INSTANT.to_owned())
        .with_timestamp_tz_format(INSTANT.to_owned())
        .build(&mut bytes);
    if batches.is_empty() {
        writer.write(&flat(&RecordBatch::new_empty(Arc::clone(schema)))?)?;
    }
    for batch in batches {
        writer.write(&flat(batch)?)?;
    }
    drop(writer);
    Ok(bytes)
}

fn json(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer: Writer<_, JsonArray> = json_builder().build(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    drop(writer);
    bytes.push(b'\n');
    Ok(bytes)
}

fn ndjson(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer: Writer<_, LineDelimited> = json_builder().build(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

fn json_builder() -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(INSTANT.to_owned())
        .with_timestamp_tz_format(INSTANT.to_owned())
}

/// Instants of other zones or precisions become microseconds in UTC, which is what `Z` says.
fn in_utc(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    map_columns(batch, |column| match column.data_type() {
        DataType::Timestamp(_, _) if *column.data_type() != utc => cast(column, &utc),
        _ => Ok(Arc::clone(column)),
    })
}

/// What CSV has no cells for becomes JSON text.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    map_columns(
        batch,
        |column| if column.data_type().is_nested() { json_texts(column) } else { Ok(Arc::clone(column)) },
    )
}

fn json_texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Field::new("c", column.data_type().clone(), true);
    let alone = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::clone(column)])?;
    let lines = String::from_utf8(ndjson(&[alone])?).map_err(|error| ArrowError::JsonError(error.to_string()))?;
    let value = |line: &str| line.strip_prefix("{\"c\":").and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
    let texts = lines.lines().enumerate().map(|(row, line)| value(line).filter(|_| column.is_valid(row)));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn map_columns(
    batch: &RecordBatch,
    change: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(change).collect::<Result<_, _>>()?;
    let fields = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
        .collect::<Vec<_>>();
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
