//! Rust rows to columns and back, for the small tables (findings, coverage, configuration).
//!
//! It goes through JSON, which costs microseconds a row and keeps one definition of each row: its serde type. Events do
//! not come this way.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::{ReaderBuilder, WriterBuilder, writer::JsonArray};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Columns of `schema` from rows; fields without a column are an error.
pub fn to_batch<T: Serialize>(schema: &SchemaRef, rows: &[T]) -> Result<RecordBatch, ArrowError> {
    let mut decoder =
        ReaderBuilder::new(schema.clone()).with_batch_size(rows.len().max(1)).with_strict_mode(true).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema.clone())))
}

/// Rows from columns; columns without a field are left out.
pub fn from_batch<T: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<T>, ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let mut json = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut json);
    writer.write(batch)?;
    writer.finish()?;
    serde_json::from_reader(Cursor::new(json)).map_err(|error| ArrowError::JsonError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DetectorId, DetectorVersion};
    use crate::outcome::{COVERAGE, Coverage, Outcome};
    use crate::time::Micros;

    #[test]
    fn no_rows_are_an_empty_batch_and_back() {
        let batch = to_batch::<Coverage>(&COVERAGE, &[]).unwrap();
        assert_eq!(batch.schema(), *COVERAGE);
        assert_eq!(from_batch::<Coverage>(&batch).unwrap(), []);
    }

    #[test]
    fn absent_stays_absent() {
        let row = Coverage {
            detector_id: DetectorId::new("d"),
            detector_version: DetectorVersion::new("v"),
            org_id: None,
            source: None,
            from_time: Micros(1),
            to_time: Micros(2_000_000),
            outcome: Outcome::NotObservable,
            columns: vec!["dest_host".into()],
            detail: None,
            data_seq: 3,
        };
        let batch = to_batch(&COVERAGE, std::slice::from_ref(&row)).unwrap();
        assert_eq!(from_batch::<Coverage>(&batch).unwrap(), [row]);
    }
}
