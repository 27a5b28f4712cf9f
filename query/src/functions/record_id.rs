//! `record_id(source, org_id, event_id, content_hash)`: the same id that findings and exports name events by.

use std::sync::Arc;

use credwatch_schemas::ids::RecordId;
use datafusion::arrow::array::{Array, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::statistic::columnar;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordIdOf {
    signature: Signature,
}

impl RecordIdOf {
    pub(super) fn new() -> Self {
        let types = vec![DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Int64];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for RecordIdOf {
    fn name(&self) -> &'static str {
        "record_id"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [source, org, event_id] = [0, 1, 2].map(|place: usize| columns[place].as_string::<i32>());
        let hash = columns[3].as_primitive::<Int64Type>();
        let part = |column: &'_ StringArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
        let id = |row: usize| {
            let event_id = part(event_id, row).filter(|_| hash.is_valid(row))?;
            let (source, org) = (part(source, row), part(org, row));
            Some(RecordId::of(source.as_deref(), org.as_deref(), &event_id, hash.value(row)).as_str().to_owned())
        };
        let ids: StringArray = (0..hash.len()).map(id).collect();
        columnar(Arc::new(ids), &args.args)
    }
}
