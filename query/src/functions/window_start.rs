//! `window_start(time, micros)`: where the epoch-aligned window begins that holds an instant.

use std::sync::Arc;

use credwatch_schemas::time::Micros;
use credwatch_schemas::window::WindowLength;
use datafusion::arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::statistic::columnar;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct WindowStart {
    signature: Signature,
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl WindowStart {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![utc(), DataType::Int64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WindowStart {
    fn name(&self) -> &'static str {
        "window_start"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(utc())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let times = columns[0].as_primitive::<TimestampMicrosecondType>();
        let lengths = columns[1].as_primitive::<Int64Type>();
        let start = |row: usize| {
            if times.is_null(row) || lengths.is_null(row) {
                return Ok(None);
            }
            let length = WindowLength::new(lengths.value(row)).ok_or_else(not_positive)?;
            Ok(Some(length.containing(Micros(times.value(row))).start.0))
        };
        let starts: Result<TimestampMicrosecondArray> = (0..times.len()).map(start).collect();
        columnar(Arc::new(starts?.with_timezone("UTC")), &args.args)
    }
}

fn not_positive() -> DataFusionError {
    DataFusionError::Execution("the length of a window must be positive".to_owned())
}
