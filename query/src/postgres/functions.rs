//! Functions that clients of Postgres call before anybody asks anything, where the catalogue's library has none or answers
//! for somebody else.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr_fn::SimpleScalarUDF;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Signature, TypeSignature, Volatility, create_udf};

use super::backends::Backends;
use super::format_text;

/// The version of Postgres that clients are told: they choose by it what they ask.
pub const VERSION: &str = "16.6";

/// What a client has set, by name.
type Setting = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Whom the functions answer.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) user: String,
    setting: Setting,
    pub(super) backends: Arc<dyn Backends>,
}

impl Asker {
    pub(super) fn new(
        user: &str,
        setting: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        backends: Arc<dyn Backends>,
    ) -> Self {
        Self { user: user.to_owned(), setting: Arc::new(setting), backends }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asker").field("user", &self.user).finish_non_exhaustive()
    }
}

pub(super) fn functions(asker: &Asker) -> Vec<ScalarUDF> {
    let always = ["pg_function_is_visible", "pg_type_is_visible", "pg_opclass_is_visible", "pg_operator_is_visible"];
    let text = |value: &str| ScalarValue::Utf8(Some(value.to_owned()));
    let mut functions: Vec<ScalarUDF> = always.map(|name| constant(name, ScalarValue::Boolean(Some(true)))).to_vec();
    functions.extend([
        constant("version", text(&format!("PostgreSQL {VERSION} (credwatch)"))),
        constant("session_user", text(&asker.user)),
        constant("pg_backend_pid", ScalarValue::Int32(Some(asker.backends.own()))),
        constant("pg_get_userbyid", text("credwatch")),
        // Types that are not Postgres' own have no OID here, and drivers know those that are.
        constant("to_regtype", ScalarValue::Int32(None)),
        constant("pg_is_in_recovery", ScalarValue::Boolean(Some(false))),
        constant("pg_get_viewdef", ScalarValue::Utf8(None)),
        constant("pg_get_indexdef", ScalarValue::Utf8(None)),
        constant("pg_get_triggerdef", ScalarValue::Utf8(None)),
        constant("pg_get_ruledef", ScalarValue::Utf8(None)),
        constant("pg_tablespace_location", ScalarValue::Utf8(None)),
        constant("shobj_description", ScalarValue::Utf8(None)),
        constant("pg_advisory_unlock_all", ScalarValue::Null),
        // What a table takes on disk tells of others' rows too.
        constant("pg_database_size", ScalarValue::Int64(None)),
        constant("pg_table_size", ScalarValue::Int64(None)),
        constant("pg_relation_size", ScalarValue::Int64(None)),
        constant("pg_total_relation_size", ScalarValue::Int64(None)),
        current_setting(Arc::clone(&asker.setting)),
        size_pretty(),
        format_text::function(),
    ]);
    functions
}

/// The same whatever it is called with.
fn constant(name: &str, value: ScalarValue) -> ScalarUDF {
    let (kind, anything) = (value.data_type(), vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    let signature = Signature::one_of(anything, Volatility::Stable);
    let give = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
    SimpleScalarUDF::new_with_signature(name, signature, kind, give).into()
}

fn current_setting(setting: Setting) -> ScalarUDF {
    let look = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let names = cast(&arrays[0], &DataType::Utf8)?;
        let values = names.as_string::<i32>().iter().map(|name| setting(name?));
        Ok(ColumnarValue::Array(Arc::new(values.collect::<StringArray>())))
    };
    let one_or_two = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
    let signature = Signature::one_of(one_or_two, Volatility::Volatile);
    SimpleScalarUDF::new_with_signature("current_setting", signature, DataType::Utf8, Arc::new(look)).into()
}

fn size_pretty() -> ScalarUDF {
    let pretty = |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let sizes = arrays[0].as_primitive::<Int64Type>().iter();
        let texts = sizes.map(|size| Some(format!("{} bytes", size?))).collect::<StringArray>();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    };
    create_udf("pg_size_pretty", vec![DataType::Int64], DataType::Utf8, Volatility::Immutable, Arc::new(pretty))
}
