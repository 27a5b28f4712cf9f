//! `pg_cancel_backend(pid)` and `pg_terminate_backend(pid)`: what a connection of the asker's runs is stopped, or the
//! connection with it. Of a number that is no connection of theirs they say "false", whoever has it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::acting::Acting;
use super::backends::{Backends, Stop};

const CANCEL: &str = "pg_cancel_backend";
const TERMINATE: &str = "pg_terminate_backend";
pub(super) const NAMES: [&str; 2] = [CANCEL, TERMINATE];

pub(super) fn functions(backends: &Arc<dyn Backends>, acting: &Acting) -> [ScalarUDF; 2] {
    [Stop::Statement, Stop::Connection].map(|what| {
        let (signature, backends) = (signature(), Arc::clone(backends));
        ScalarUDF::from(Stopping { what, signature, backends, acting: acting.clone() })
    })
}

/// A number, also where it is written as text.
fn signature() -> Signature {
    let kinds = [DataType::Int32, DataType::Int64, DataType::Utf8];
    let one = kinds.map(|kind| TypeSignature::Exact(vec![kind]));
    Signature::one_of(one.to_vec(), Volatility::Volatile)
}

#[derive(Debug)]
struct Stopping {
    what: Stop,
    signature: Signature,
    backends: Arc<dyn Backends>,
    acting: Acting,
}

/// A session has one of each.
impl PartialEq for Stopping {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what && self.acting.is(&other.acting)
    }
}

impl Eq for Stopping {}

impl Hash for Stopping {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.what.hash(state);
    }
}

impl ScalarUDFImpl for Stopping {
    fn name(&self) -> &'static str {
        match self.what {
            Stop::Statement => CANCEL,
            Stop::Connection => TERMINATE,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// Once for each row: none where there are no rows, also where the number stands in the statement itself.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !self.acting.has_begun() {
            return Err(DataFusionError::Execution(format!("{} is called while nothing runs yet", self.name())));
        }
        // The signature leaves no call without a number.
        let numbers = args.args[0].to_array(args.number_rows)?;
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let numbers = cast_with_options(&numbers, &DataType::Int32, &strict)?;
        let numbers = numbers.as_primitive::<Int32Type>().iter();
        let stopped = numbers.map(|number| number.map(|number| self.backends.stop(number, self.what)));
        Ok(ColumnarValue::Array(Arc::new(stopped.collect::<BooleanArray>())))
    }
}
