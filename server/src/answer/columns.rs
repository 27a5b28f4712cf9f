//! Answers as columns. Both writers append to a buffer that is handed out and emptied after every batch; neither ever
//! goes back to what it has written.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::ShapeError;

/// Rows that are held until they become a row group.
const ROWS_PER_GROUP: usize = 65_536;

pub(super) struct ArrowPieces(StreamWriter<Vec<u8>>);

impl std::fmt::Debug for ArrowPieces {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ArrowPieces").finish_non_exhaustive()
    }
}

impl ArrowPieces {
    pub(super) fn new(schema: &Schema) -> Result<Self, ShapeError> {
        Ok(Self(StreamWriter::try_new(Vec::new(), schema)?))
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ShapeError> {
        self.0.write(batch)?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    pub(super) fn end(mut self) -> Result<Vec<u8>, ShapeError> {
        self.0.finish()?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

#[derive(Debug)]
pub(super) struct ParquetPieces(ArrowWriter<Vec<u8>>);

impl ParquetPieces {
    pub(super) fn new(schema: SchemaRef) -> Result<Self, ShapeError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .build();
        Ok(Self(ArrowWriter::try_new(Vec::new(), schema, Some(properties))?))
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ShapeError> {
        self.0.write(batch)?;
        Ok(std::mem::take(self.0.inner_mut()))
    }

    pub(super) fn end(self) -> Result<Vec<u8>, ShapeError> {
        Ok(self.0.into_inner()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::ipc::reader::StreamReader;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::{Answer, Streamed};
    use super::*;

    fn batch(range: std::ops::Range<i64>) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(range.map(Some).collect::<Int64Array>());
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    fn written(shape: Streamed, batches: &[RecordBatch]) -> Vec<u8> {
        let mut answer = Answer::new(shape, batch(0..0).schema()).unwrap();
        let mut bytes: Vec<u8> = batches.iter().flat_map(|batch| answer.batch(batch).unwrap()).collect();
        bytes.extend(answer.end().unwrap());
        bytes
    }

    fn numbers(batches: impl Iterator<Item = RecordBatch>) -> Vec<i64> {
        let column =
            |batch: RecordBatch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec();
        batches.flat_map(column).collect()
    }

    #[test]
    fn the_pieces_of_an_arrow_stream_read_back() {
        let bytes = written(Streamed::Arrow, &[batch(0..3), batch(3..3), batch(3..5)]);
        let reader = StreamReader::try_new(&bytes[..], None).unwrap();
        assert_eq!(numbers(reader.map(Result::unwrap)), [0, 1, 2, 3, 4]);
        assert_eq!(
            numbers(StreamReader::try_new(&written(Streamed::Arrow, &[])[..], None).unwrap().map(Result::unwrap)),
            [0_i64; 0]
        );
    }

    #[test]
    fn the_pieces_of_a_parquet_file_read_back_over_more_than_one_row_group() {
        let rows = i64::try_from(ROWS_PER_GROUP).unwrap() + 5;
        for batches in [vec![], vec![batch(0..rows - 1), batch(rows - 1..rows)]] {
            let bytes = Bytes::from(written(Streamed::Parquet, &batches));
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            assert_eq!(reader.metadata().num_row_groups(), if batches.is_empty() { 0 } else { 2 });
            let expected: Vec<i64> = if batches.is_empty() { vec![] } else { (0..rows).collect() };
            assert_eq!(numbers(reader.build().unwrap().map(Result::unwrap)), expected);
        }
    }
}
