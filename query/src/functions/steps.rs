//! `step_names(steps)`, `step_outcomes`, `step_orgs` and `step_connections`: one field of every pipeline step, as a list in the
//! order of the steps. SQL can look into a list of texts, but not into a list of records.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, ListArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::statistic::columnar;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct StepField {
    name: &'static str,
    field: &'static str,
    signature: Signature,
}

impl StepField {
    pub(super) fn names() -> Self {
        Self { name: "step_names", field: "name", signature: Signature::any(1, Volatility::Immutable) }
    }

    pub(super) fn outcomes() -> Self {
        Self { name: "step_outcomes", field: "outcome", signature: Signature::any(1, Volatility::Immutable) }
    }

    pub(super) fn orgs() -> Self {
        Self { name: "step_orgs", field: "org_id", signature: Signature::any(1, Volatility::Immutable) }
    }

    pub(super) fn connections() -> Self {
        Self { name: "step_connections", field: "connection_id", signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Utf8, true))
}

impl ScalarUDFImpl for StepField {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let not_steps =
            || DataFusionError::Execution(format!("the argument of {}() is not the column steps", self.name));
        let steps = columns[0].as_list_opt::<i32>().ok_or_else(not_steps)?;
        let records = steps.values().as_struct_opt().ok_or_else(not_steps)?;
        let values = records.column_by_name(self.field).ok_or_else(not_steps)?;
        let picked = ListArray::try_new(item(), steps.offsets().clone(), Arc::clone(values), steps.nulls().cloned())?;
        columnar(Arc::new(picked), &args.args)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    async fn answer(sql: &str) -> Result<String, String> {
        let context = SessionContext::new();
        for function in crate::functions() {
            function.register(&context);
        }
        let rows = async { context.sql(sql).await?.collect().await };
        let rows = rows.await.map_err(|error| error.to_string())?;
        Ok(datafusion::arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string())
    }

    #[tokio::test]
    async fn one_field_of_every_step_is_a_list() {
        let sql = "SELECT step_orgs(steps), step_connections(steps) FROM (SELECT make_array( \
            named_struct('org_id', 'a', 'connection_id', 'c'), \
            named_struct('org_id', NULL, 'connection_id', 'd')) AS steps)";
        let said = answer(sql).await.unwrap();
        assert!(said.contains("[a, ]") && said.contains("[c, d]"), "{said}");
    }

    #[tokio::test]
    async fn what_is_no_list_of_steps_is_refused() {
        assert!(answer("SELECT step_orgs('a')").await.unwrap_err().contains("step_orgs"));
    }
}
