//! One active file of a table, as the table's log describes it: where it is, how many rows it has, in which partition
//! they lie, which columns are empty and, of a few others, between which bounds their values lie.
//!
//! Bounds may be wider than the values (the log keeps milliseconds), never narrower. Columns that name people have no
//! bounds: the log outlives the rows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels::aggregate::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use credwatch_schemas::records::{STATISTICS_COLUMNS, column};
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Columns of small tables that may have bounds; of `records` the contract names them.
const BOUNDED_COLUMNS: [&str; 6] = ["start", "first_time", "last_time", "raised_time", "recorded_time", "from_time"];

/// A longer text has no bounds: the log is no place for it.
const LONGEST_BOUND: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Relative to the table's folder.
    pub path: Arc<str>,
    pub bytes: u64,
    /// `None` only for files that another program wrote without statistics.
    pub rows: Option<u64>,
    /// Values of the partition columns, as text.
    pub partition: BTreeMap<String, Option<String>>,
    pub(crate) bounds: Bounds,
    /// Milliseconds since 1970, as the log keeps it.
    pub(crate) modified_ms: i64,
}

/// What the log knows about the columns of a file, in the log's own JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bounds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) num_records: Option<u64>,
    #[serde(default)]
    pub(crate) min_values: Map<String, Value>,
    #[serde(default)]
    pub(crate) max_values: Map<String, Value>,
    #[serde(default)]
    pub(crate) null_count: Map<String, Value>,
}

impl DataFile {
    /// The lowest and highest `seq` in the file.
    pub fn seq_range(&self) -> Option<(i64, i64)> {
        self.int_range(column::SEQ)
    }

    /// Event time lies between these two, both inclusive; `None` when no row has a time or nothing is known.
    pub fn time_range(&self) -> Option<(Micros, Micros)> {
        self.times_between(column::TIME)
    }

    /// The same for any column of times.
    pub fn times_between(&self, column: &str) -> Option<(Micros, Micros)> {
        let bound = |bounds: &Map<String, Value>| bounds.get(column)?.as_str().and_then(Micros::parse);
        Some((bound(&self.bounds.min_values)?, bound(&self.bounds.max_values)?))
    }

    pub fn int_range(&self, column: &str) -> Option<(i64, i64)> {
        Some((self.bounds.min_values.get(column)?.as_i64()?, self.bounds.max_values.get(column)?.as_i64()?))
    }

    /// The value of a partition column.
    pub fn partition_value(&self, column: &str) -> Option<&str> {
        self.partition.get(column)?.as_deref()
    }
}

impl Bounds {
    /// Bounds of all batches of a file together.
    pub(crate) fn of(batch: &RecordBatch) -> Self {
        let mut bounds = Self { num_records: u64::try_from(batch.num_rows()).ok(), ..Self::default() };
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            // That a column is empty tells nothing about anybody, and spares its readers the column.
            let is_empty = array.null_count() == array.len();
            if !has_bounds(field.name()) && !is_empty {
                continue;
            }
            bounds.null_count.insert(field.name().clone(), json!(array.null_count()));
            if let Some((low, high)) = array_bounds(array) {
                bounds.min_values.insert(field.name().clone(), low);
                bounds.max_values.insert(field.name().clone(), high);
            }
        }
        bounds
    }

    /// Bounds of the rows of several files, from what the log says of each.
    pub(crate) fn together<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = all.cloned();
        let first = all.next().unwrap_or_default();
        all.fold(first, |before, one| before.and(&one))
    }

    fn and(&self, other: &Self) -> Self {
        let nulls = |bounds: &Self, name: &String| bounds.null_count.get(name).and_then(Value::as_u64);
        let counted = |name: &String| Some((name.clone(), json!(nulls(self, name)? + nulls(other, name)?)));
        Self {
            num_records: self.num_records.zip(other.num_records).map(|(one, other)| one + other),
            min_values: self.outer(other, |bounds| &bounds.min_values, Ordering::Less),
            max_values: self.outer(other, |bounds| &bounds.max_values, Ordering::Greater),
            null_count: self.null_count.keys().filter_map(counted).collect(),
        }
    }

    /// Of each column the lower one of two bounds or, with `Greater`, the higher one. Where a file has none because all is null in
    /// it, there is nothing to be bounded; where it has none for another reason, no bound is known.
    fn outer(&self, other: &Self, of: fn(&Self) -> &Map<String, Value>, wanted: Ordering) -> Map<String, Value> {
        let is_null = |bounds: &Self, name: &str| {
            bounds.num_records.is_some() && bounds.null_count.get(name).and_then(Value::as_u64) == bounds.num_records
        };
        let bound = |name: &String| match (of(self).get(name), of(other).get(name)) {
            (Some(one), Some(other)) => outer(one, other, wanted),
            (Some(bound), None) if is_null(other, name) => Some(bound.clone()),
            (None, Some(bound)) if is_null(self, name) => Some(bound.clone()),
            _ => None,
        };
        let names = of(self).keys().chain(of(other).keys());
        names.filter_map(|name| Some((name.clone(), bound(name)?))).collect()
    }
}

/// `None` where they cannot be compared. Times are compared as times: years beyond the fourth digit are no order of text.
fn outer(one: &Value, other: &Value, wanted: Ordering) -> Option<Value> {
    let order = match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => match (Micros::parse(one), Micros::parse(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            (None, None) => one.cmp(other),
            _ => return None,
        },
        _ => one.as_i64()?.cmp(&other.as_i64()?),
    };
    Some(if order == wanted { one.clone() } else { other.clone() })
}

/// Whether the log may keep bounds of this column.
pub(crate) fn has_bounds(name: &str) -> bool {
    STATISTICS_COLUMNS.contains(&name) || BOUNDED_COLUMNS.contains(&name)
}

fn array_bounds(array: &ArrayRef) -> Option<(Value, Value)> {
    match array.data_type() {
        DataType::Int64 => {
            let numbers = array.as_primitive::<Int64Type>();
            Some((json!(min(numbers)?), json!(max(numbers)?)))
        }
        DataType::Int32 => {
            let numbers = array.as_primitive::<Int32Type>();
            Some((json!(min(numbers)?), json!(max(numbers)?)))
        }
        DataType::Timestamp(..) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            Some((json!(millis(min(times)?.div_euclid(1_000))?), json!(millis(ceil_millis(max(times)?))?)))
        }
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            let (low, high) = (min_string(texts)?, max_string(texts)?);
            (low.len() <= LONGEST_BOUND && high.len() <= LONGEST_BOUND).then(|| (json!(low), json!(high)))
        }
        _ => None,
    }
}

fn ceil_millis(micros: i64) -> i64 {
    micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) != 0)
}

/// The log's way to write a time; `None` beyond the calendar.
fn millis(millis: i64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_millis(millis)?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};

    #[test]
    fn bounds_of_a_time_are_never_narrower_than_its_values() {
        let times = TimestampMicrosecondArray::from(vec![Some(1_000_001), None, Some(2_000_001)]).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([(column::TIME, Arc::new(times) as ArrayRef)]).unwrap();
        let bounds = Bounds::of(&batch);
        assert_eq!(bounds.min_values[column::TIME], "1970-01-01T00:00:01.000Z");
        assert_eq!(bounds.max_values[column::TIME], "1970-01-01T00:00:02.001Z");
        assert_eq!(bounds.null_count[column::TIME], 1);
        assert_eq!(bounds.num_records, Some(3));
    }

    #[test]
    fn personal_columns_and_long_texts_have_no_bounds() {
        let users = StringArray::from(vec!["usr_1"]);
        let orgs = StringArray::from(vec!["o".repeat(100)]);
        let seq = Int64Array::from(vec![7]);
        let batch = RecordBatch::try_from_iter([
            ("user_id", Arc::new(users) as ArrayRef),
            (column::ORG_ID, Arc::new(orgs)),
            (column::SEQ, Arc::new(seq)),
        ])
        .unwrap();
        let bounds = Bounds::of(&batch);
        assert_eq!(bounds.min_values.keys().collect::<Vec<_>>(), [column::SEQ]);
        assert_eq!(bounds.null_count.keys().collect::<Vec<_>>(), [column::ORG_ID, column::SEQ]);
    }

    #[test]
    fn an_empty_column_is_said_to_be_empty_as_long_as_it_is_so_in_all_files() {
        let users = |users: [Option<&str>; 2]| {
            let users = Arc::new(StringArray::from(users.to_vec())) as ArrayRef;
            Bounds::of(&RecordBatch::try_from_iter([("user_id", users)]).unwrap())
        };
        let (nobody, somebody) = (users([None, None]), users([Some("usr_1"), None]));
        assert_eq!((nobody.null_count.get("user_id"), somebody.null_count.get("user_id")), (Some(&json!(2)), None));
        let together = |all: &[&Bounds]| Bounds::together(all.iter().copied()).null_count.get("user_id").cloned();
        assert_eq!(together(&[&nobody, &nobody]), Some(json!(4)));
        assert_eq!(together(&[&nobody, &somebody]), None);
        assert_eq!(together(&[&somebody, &nobody]), None);
    }

    #[test]
    fn bounds_of_files_together_are_those_of_their_rows_together() {
        let file = |times: &[Option<i64>], orgs: &[Option<&str>], seqs: &[i64]| {
            let times = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
            RecordBatch::try_from_iter([
                (column::TIME, Arc::new(times) as ArrayRef),
                (column::ORG_ID, Arc::new(StringArray::from(orgs.to_vec()))),
                (column::SEQ, Arc::new(Int64Array::from(seqs.to_vec()))),
            ])
            .unwrap()
        };
        let long = "o".repeat(100);
        let files = [
            file(&[Some(5_000_001), None], &[Some("b"), None], &[9, 10]),
            file(&[None], &[None], &[11]),
            file(&[Some(-7), Some(2_000_000)], &[Some("a"), Some("c")], &[100, 8]),
            file(&[Some(1)], &[Some(&long)], &[3]),
            // The last microsecond of the year 9999 is bounded by the year 10000.
            file(&[Some(253_402_300_799_999_999)], &[Some("b")], &[4]),
        ];
        for some in [&files[..1], &files[..2], &files[1..3], &files[..3], &files[..4], &files[3..], &files[..]] {
            let rows = arrow::compute::concat_batches(&files[0].schema(), some).unwrap();
            let each: Vec<Bounds> = some.iter().map(Bounds::of).collect();
            assert_eq!(Bounds::together(each.iter()), Bounds::of(&rows), "{} files", some.len());
        }
    }
}
