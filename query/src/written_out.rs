//! How many bytes an answer has once every value stands in it: many rows may share one value in memory, and whoever writes
//! them to a client writes it as often as there are rows.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;

pub(crate) fn written_out(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| bytes(column)).fold(0, usize::saturating_add)
}

fn bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => viewed(array.as_string_view().views()),
        DataType::BinaryView => viewed(array.as_binary_view().views()),
        DataType::Dictionary(..) => looked_up(array),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes(column)).sum(),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, last) = (list.value_offsets()[0] as usize, list.value_offsets()[list.len()] as usize);
            OFFSET * list.len() + bytes(&list.values().slice(first, last - first))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (first, last) = (list.value_offsets()[0] as usize, list.value_offsets()[list.len()] as usize);
            2 * OFFSET * list.len() + bytes(&list.values().slice(first, last - first))
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

const OFFSET: usize = 4;

/// The length is the lower half of the lower half.
fn viewed(views: &[u128]) -> usize {
    views.iter().map(|view| size_of::<u128>() + (*view as u32) as usize).fold(0, usize::saturating_add)
}

fn looked_up(array: &dyn Array) -> usize {
    let Some(dictionary) = array.as_any_dictionary_opt() else { return array.get_array_memory_size() };
    let values = dictionary.values();
    let each: Vec<usize> = (0..values.len()).map(|place| bytes(&values.slice(place, 1))).collect();
    if each.is_empty() {
        return 0;
    }
    dictionary
        .normalized_keys()
        .into_iter()
        .map(|key| each.get(key).copied().unwrap_or(0))
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray, StringViewArray};
    use datafusion::arrow::compute::cast;

    use super::*;

    const LONG: usize = 10_000;

    fn of(column: ArrayRef) -> usize {
        written_out(&RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap())
    }

    #[test]
    fn a_value_that_many_rows_share_counts_for_each_of_them() {
        let (text, rows) = ("x".repeat(LONG), 1_000);
        let keys = Int32Array::from(vec![0; rows]);
        let dictionary: ArrayRef =
            Arc::new(DictionaryArray::try_new(keys, Arc::new(StringArray::from(vec![text.as_str()]))).unwrap());
        assert!(of(Arc::clone(&dictionary)) >= rows * LONG);
        let viewed = cast(&dictionary, &DataType::Utf8View).unwrap();
        assert!(of(viewed) >= rows * LONG);
    }

    #[test]
    fn nothing_counts_for_nothing_and_a_slice_for_what_it_shows() {
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a".repeat(LONG).as_str(), "b", "c"]));
        assert!(of(views.slice(1, 2)) < 100);
        let none: ArrayRef = Arc::new(StringArray::new_null(0));
        assert_eq!(of(cast(&none, &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())).unwrap()), 0);
    }
}
