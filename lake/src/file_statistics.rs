//! What the log knows about files, in DataFusion's words: to leave out files that cannot match, and to plan with row
//! counts and bounds.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};
use credwatch_schemas::time::Micros;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use serde_json::{Map, Value};

use crate::data_file::DataFile;

/// The files that may hold a row for which `predicate` is true.
pub(crate) fn prune(
    predicate: Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
    files: &[Arc<DataFile>],
) -> Result<Vec<Arc<DataFile>>> {
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(predicate)?;
    let keep = predicate.prune(&LogStatistics { schema, files })?;
    Ok(files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect())
}

/// Row count and bounds of one file, for its own columns. Times are inexact: the log keeps milliseconds.
pub(crate) fn file_statistics(file: &DataFile, columns: &[FieldRef]) -> Result<Statistics> {
    let column = |field: &FieldRef| {
        let bound = |bounds: &Map<String, Value>| match scalar(bounds.get(field.name()), field.data_type()) {
            Some(value) if is_time(field.data_type()) => Precision::Inexact(value),
            Some(value) => Precision::Exact(value),
            None => Precision::Absent,
        };
        ColumnStatistics {
            null_count: nulls(file, field.name()).map_or(Precision::Absent, Precision::Exact),
            min_value: bound(&file.bounds.min_values),
            max_value: bound(&file.bounds.max_values),
            ..ColumnStatistics::new_unknown()
        }
    };
    let rows = file.rows.and_then(|rows| usize::try_from(rows).ok());
    Ok(Statistics {
        num_rows: rows.map_or(Precision::Absent, Precision::Exact),
        total_byte_size: Precision::Absent,
        column_statistics: columns.iter().map(column).collect(),
    })
}

struct LogStatistics<'a> {
    schema: &'a SchemaRef,
    files: &'a [Arc<DataFile>],
}

impl LogStatistics<'_> {
    /// One value a file; `None` when no file has one.
    fn values(&self, column: &Column, value: impl Fn(&DataFile, &DataType) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let kind = self.schema.field_with_name(column.name()).ok()?.data_type();
        let unknown = ScalarValue::try_from(kind).ok()?;
        let values: Vec<Option<ScalarValue>> = self.files.iter().map(|file| value(file, kind)).collect();
        values.iter().any(Option::is_some).then_some(())?;
        ScalarValue::iter_to_array(values.into_iter().map(|value| value.unwrap_or_else(|| unknown.clone()))).ok()
    }
}

impl PruningStatistics for LogStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |file, kind| bound(file, &file.bounds.min_values, column.name(), kind))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |file, kind| bound(file, &file.bounds.max_values, column.name(), kind))
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts =
            self.files.iter().map(|file| nulls(file, column.name()).and_then(|count| u64::try_from(count).ok()));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| file.rows).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// A partition column has one value in the whole file.
fn bound(file: &DataFile, bounds: &Map<String, Value>, column: &str, kind: &DataType) -> Option<ScalarValue> {
    match file.partition.get(column) {
        Some(value) => ScalarValue::try_from_string(value.clone()?, kind).ok(),
        None => scalar(bounds.get(column), kind),
    }
}

fn nulls(file: &DataFile, column: &str) -> Option<usize> {
    if let Some(value) = file.partition.get(column) {
        let rows = usize::try_from(file.rows?).ok()?;
        return Some(if value.is_some() { 0 } else { rows });
    }
    usize::try_from(file.bounds.null_count.get(column)?.as_u64()?).ok()
}

fn scalar(value: Option<&Value>, kind: &DataType) -> Option<ScalarValue> {
    match (value?, kind) {
        (Value::Number(number), DataType::Int64) => number.as_i64().map(ScalarValue::from),
        (Value::Number(number), DataType::Int32) => i32::try_from(number.as_i64()?).ok().map(ScalarValue::from),
        (Value::String(text), DataType::Utf8) => Some(ScalarValue::from(text.as_str())),
        (Value::String(text), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Some(ScalarValue::TimestampMicrosecond(Some(Micros::parse(text)?.0), zone.clone()))
        }
        _ => None,
    }
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..))
}
