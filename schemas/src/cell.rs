//! One column as Rust values, a value a row; null is `None`.
//!
//! A column of another type that means the same (a view, a dictionary) is cast; one that does not is an error and never
//! a guess.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use crate::event::{Shape, Step, timestamp};
use crate::time::Micros;

type Cells<T> = Result<Vec<Option<T>>, ArrowError>;

pub fn texts(column: &ArrayRef) -> Cells<String> {
    let column = as_type(column, &DataType::Utf8)?;
    Ok(column.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect())
}

pub fn int64s(column: &ArrayRef) -> Cells<i64> {
    let column = as_type(column, &DataType::Int64)?;
    Ok(column.as_primitive::<Int64Type>().iter().collect())
}

pub fn int32s(column: &ArrayRef) -> Cells<i32> {
    let column = as_type(column, &DataType::Int32)?;
    Ok(column.as_primitive::<Int32Type>().iter().collect())
}

pub fn float64s(column: &ArrayRef) -> Cells<f64> {
    let column = as_type(column, &DataType::Float64)?;
    Ok(column.as_primitive::<Float64Type>().iter().collect())
}

pub fn bools(column: &ArrayRef) -> Cells<bool> {
    let column = as_type(column, &DataType::Boolean)?;
    Ok(column.as_boolean().iter().collect())
}

pub fn times(column: &ArrayRef) -> Cells<Micros> {
    let column = as_type(column, &timestamp())?;
    Ok(column.as_primitive::<TimestampMicrosecondType>().iter().map(|value| value.map(Micros)).collect())
}

pub fn text_lists(column: &ArrayRef) -> Cells<Vec<String>> {
    let column = as_type(column, &Shape::TextList.arrow())?;
    let present = |list: ArrayRef| Ok(texts(&list)?.into_iter().flatten().collect());
    column.as_list::<i32>().iter().map(|list| list.map(present).transpose()).collect()
}

pub fn text_maps(column: &ArrayRef) -> Cells<BTreeMap<String, String>> {
    let column = as_type(column, &Shape::TextMap.arrow())?;
    Ok(column.as_map().iter().map(|entries| entries.as_ref().map(text_map)).collect())
}

pub fn steps(column: &ArrayRef) -> Cells<Vec<Step>> {
    let column = as_type(column, &Shape::Steps.arrow())?;
    column.as_list::<i32>().iter().map(|list| list.map(|steps| steps_of(steps.as_struct())).transpose()).collect()
}

fn text_map(entries: &StructArray) -> BTreeMap<String, String> {
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    let pair = |(key, value): (Option<&str>, Option<&str>)| Some((key?.to_owned(), value?.to_owned()));
    keys.iter().zip(values).filter_map(pair).collect()
}

fn steps_of(steps: &StructArray) -> Result<Vec<Step>, ArrowError> {
    let text = |place: usize, row: usize| {
        let column: &StringArray = steps.column(place).as_string();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let times = times(steps.column(1))?;
    let step = |(row, time): (usize, Option<Micros>)| Step {
        name: text(0, row),
        time,
        outcome: text(2, row),
        connection_id: text(3, row),
        org_id: text(4, row),
    };
    Ok(times.into_iter().enumerate().map(step).collect())
}

fn as_type(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == wanted { Ok(ArrayRef::clone(column)) } else { cast(column, wanted) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{Int64Array, StringViewArray};

    #[test]
    fn a_view_of_texts_reads_as_texts_and_a_number_never_as_a_map() {
        let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        assert_eq!(texts(&views).unwrap(), [Some("a".to_owned()), None]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(text_maps(&numbers).is_err());
    }
}
