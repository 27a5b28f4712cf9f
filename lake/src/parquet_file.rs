//! One data file: rows that are already sorted, as Parquet bytes.
//!
//! Page statistics for skipping, bloom filters on the columns that people look single things up by, the sort order in
//! the file's own metadata, row groups of a size that suits both pruning and scanning.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use credwatch_schemas::records::{BLOOM_COLUMNS, SORT_ORDER, column};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

const ROWS_PER_GROUP: usize = 131_072;

/// One org's rows of a day, or one person's, lie together in a merged file: a reader of few rows decodes a page of each
/// column for them, so pages are small.
const ROWS_PER_PAGE: usize = 4_096;

/// One false hit in a hundred: a false hit costs one column read.
const BLOOM_FALSE_HITS: f64 = 0.01;

/// Whether the rows are in the one order used everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Sorted,
    AsGiven,
}

/// What is known of the rows of a file before they are written.
pub(crate) struct Outline<'a> {
    pub(crate) rows: usize,
    /// Whether a column may hold a value.
    pub(crate) is_filled: &'a dyn Fn(&str) -> bool,
}

/// A file that is being written.
pub(crate) struct Encoder(ArrowWriter<Vec<u8>>);

impl Encoder {
    pub(crate) fn new(schema: &SchemaRef, order: Order, outline: &Outline<'_>) -> Result<Self, ParquetError> {
        let properties = properties(schema, order, outline)?;
        Ok(Self(ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties))?))
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.0.write(rows)
    }

    pub(crate) fn end(self) -> Result<Bytes, ParquetError> {
        self.0.into_inner().map(Bytes::from)
    }
}

pub(crate) fn encode(rows: &RecordBatch, order: Order) -> Result<Bytes, ParquetError> {
    let is_filled = |name: &str| rows.column_by_name(name).is_some_and(|values| values.null_count() < values.len());
    let outline = Outline { rows: rows.num_rows(), is_filled: &is_filled };
    let mut encoder = Encoder::new(&rows.schema(), order, &outline)?;
    encoder.write(rows)?;
    encoder.end()
}

fn properties(schema: &SchemaRef, order: Order, outline: &Outline<'_>) -> Result<WriterProperties, ParquetError> {
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_data_page_row_count_limit(ROWS_PER_PAGE);
    let builder = with_encodings(with_plain_empties(with_blooms(builder, outline), schema, outline)?);
    Ok(match order {
        Order::Sorted => builder.set_sorting_columns(Some(sorting_columns(schema)?)),
        Order::AsGiven => builder,
    }
    .build())
}

fn with_blooms(builder: WriterPropertiesBuilder, outline: &Outline<'_>) -> WriterPropertiesBuilder {
    let distinct = u64::try_from(outline.rows.min(ROWS_PER_GROUP)).unwrap_or(u64::MAX).max(1);
    let filled = BLOOM_COLUMNS.into_iter().filter(|name| (outline.is_filled)(name));
    filled.fold(builder, |builder, name| {
        builder
            .set_column_bloom_filter_enabled(path(name), true)
            .set_column_bloom_filter_fpp(path(name), BLOOM_FALSE_HITS)
            .set_column_bloom_filter_max_ndv(path(name), distinct)
    })
}

/// Every reader makes a decompressor for each column that says it is compressed, and most columns are empty.
fn with_plain_empties(
    builder: WriterPropertiesBuilder,
    schema: &Schema,
    outline: &Outline<'_>,
) -> Result<WriterPropertiesBuilder, ParquetError> {
    let leaves = leaves(schema)?;
    let paths = leaves.columns().iter().map(|leaf| leaf.path());
    let empties = paths.filter(|path| path.parts().first().is_some_and(|name| !(outline.is_filled)(name)));
    Ok(empties.fold(builder, |builder, path| {
        builder
            .set_column_compression(path.clone(), Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(path.clone(), false)
    }))
}

fn with_encodings(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    // Neighbours differ by little: differences take almost no space, a dictionary would take all of it.
    let numbers = [column::SEQ, column::KAFKA_OFFSET];
    let builder = numbers.into_iter().fold(builder, |builder, name| {
        builder
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED)
    });
    let all_different = [column::EVENT_ID, column::CONTENT_HASH, column::RAW];
    all_different.into_iter().fold(builder, |builder, name| builder.set_column_dictionary_enabled(path(name), false))
}

fn leaves(schema: &Schema) -> Result<SchemaDescriptor, ParquetError> {
    ArrowSchemaConverter::new().convert(schema)
}

fn sorting_columns(schema: &Schema) -> Result<Vec<SortingColumn>, ParquetError> {
    let leaves = leaves(schema)?;
    let leaf = |name: &str| {
        let place = leaves.columns().iter().position(|leaf| leaf.path().parts() == [name]);
        let place = place.and_then(|place| i32::try_from(place).ok());
        place.ok_or_else(|| ParquetError::General(format!("sort column {name:?} is missing")))
    };
    let sorting = |name: &&str| Ok(SortingColumn { column_idx: leaf(name)?, descending: false, nulls_first: false });
    SORT_ORDER.iter().map(sorting).collect()
}

fn path(name: &str) -> ColumnPath {
    ColumnPath::from(name)
}
