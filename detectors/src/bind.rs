//! Parameters become typed literals before the statement is planned, never text glued into it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use credwatch_query::in_our_words;
use credwatch_schemas::time::Micros;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, TimezoneInfo, Value, visit_expressions_mut};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::definition::ParameterValue;

/// What stands for `$name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Value(ParameterValue),
    /// A time, or the absence of one.
    Time(Option<Micros>),
}

/// Plans one statement with its parameters.
pub(crate) async fn plan(state: &SessionState, sql: &str, values: &BTreeMap<String, Bound>) -> Result<LogicalPlan> {
    state.statement_to_plan(statement(state, sql, values)?).await
}

/// The statement with values in place of its parameters; a name that nothing stands for is an error.
pub(crate) fn statement(state: &SessionState, sql: &str, values: &BTreeMap<String, Bound>) -> Result<Statement> {
    let mut statement = state.sql_to_statement(sql, &state.config().options().sql_parser.dialect)?;
    let Statement::Statement(inner) = &mut statement else {
        return Err(DataFusionError::Plan("the claims are not a query".to_owned()));
    };
    let unknown = visit_expressions_mut(inner, |expression: &mut Expr| {
        let Some(name) = placeholder(expression) else { return ControlFlow::Continue(()) };
        match values.get(&name) {
            Some(value) => *expression = literal(value),
            None => return ControlFlow::Break(name),
        }
        ControlFlow::Continue(())
    });
    match unknown {
        ControlFlow::Break(name) => Err(DataFusionError::Plan(format!("\"${name}\" is no parameter of this detector"))),
        ControlFlow::Continue(()) => {
            // What it means in a session it means here.
            in_our_words(&mut statement).map_err(|error| DataFusionError::Plan(error.to_string()))?;
            Ok(statement)
        }
    }
}

fn placeholder(expression: &Expr) -> Option<String> {
    let Expr::Value(value) = expression else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$').map(str::to_owned)
}

fn literal(bound: &Bound) -> Expr {
    match bound {
        Bound::Value(ParameterValue::Integer(number)) => as_type(number.to_string(), DataType::BigInt(None)),
        Bound::Value(ParameterValue::Number(number)) => {
            as_type(number.to_string(), DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None))
        }
        Bound::Value(ParameterValue::Text(text)) => quoted(text.clone()),
        Bound::Time(time) => match time {
            Some(time) => as_type(time.to_string(), zoned()),
            None => cast(Expr::Value(Value::Null.with_span(Span::empty())), zoned()),
        },
    }
}

fn zoned() -> DataType {
    DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone)
}

fn as_type(text: String, of: DataType) -> Expr {
    cast(quoted(text), of)
}

fn quoted(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).with_span(Span::empty()))
}

fn cast(inner: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(inner), data_type, array: false, format: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;

    async fn first_row(sql: &str, values: &BTreeMap<String, Bound>) -> Result<String> {
        let context = SessionContext::new();
        let plan = plan(&context.state(), sql, values).await?;
        let batches = context.execute_logical_plan(plan).await?.collect().await?;
        Ok(arrow::util::pretty::pretty_format_batches(&batches)?.to_string())
    }

    fn values() -> BTreeMap<String, Bound> {
        BTreeMap::from([
            ("limit".to_owned(), Bound::Value(ParameterValue::Integer(7))),
            ("share".to_owned(), Bound::Value(ParameterValue::Number(0.25))),
            ("word".to_owned(), Bound::Value(ParameterValue::Text("it's".to_owned()))),
            ("until".to_owned(), Bound::Time(Some(Micros(1_500_000)))),
            ("never".to_owned(), Bound::Time(None)),
        ])
    }

    #[tokio::test]
    async fn parameters_are_typed_literals() {
        let sql = "SELECT $limit + 1 AS a, $share * 2 AS b, $word AS c, arrow_typeof($until) AS d, $never IS NULL AS e, CAST($until AS BIGINT) AS f";
        let shown = first_row(sql, &values()).await.unwrap();
        for part in ["8", "0.5", "it's", "true", "1500000"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[tokio::test]
    async fn an_unknown_parameter_is_named() {
        let said = first_row("SELECT $limits", &values()).await.unwrap_err().to_string();
        assert!(said.contains("$limits"), "{said}");
    }
}
