//! Refuses statements whose answer can differ from run to run over the same rows.
//!
//! Give it the plan as it comes out of SQL, over plain tables: a view's own plan would be judged as part of the
//! statement.

use credwatch_schemas::records::column;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Volatility, WindowFrameUnits};
use thiserror::Error;

use crate::order::{orders_rows, orders_values};
use crate::plan_walk::{each_expression, each_node};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotDeterministic {
    #[error("{0}() gives another value each time it runs")]
    Volatile(String),
    #[error("{0} adds floating-point numbers, so its last digits depend on the order of the rows; use integers")]
    Float(String),
    #[error("{0} is approximate, and its answer depends on the order of the rows")]
    Approximate(String),
    #[error("{0} depends on the order of the rows; order it by what it picks, or by event_id and content_hash")]
    Unordered(String),
    #[error("LIMIT picks rows by chance unless ORDER BY ends in event_id and content_hash, where rows have them")]
    Limit,
    #[error("DISTINCT ON picks rows by chance unless ORDER BY ends in event_id and content_hash, where rows have them")]
    DistinctOn,
    #[error("the column {0} depends on when and how rows arrived")]
    Arrival(String),
}

const PICK_BY_ORDER: [&str; 6] = ["array_agg", "string_agg", "first_value", "last_value", "nth_value", "any_value"];
const RANK_BY_ORDER: [&str; 4] = ["row_number", "lag", "lead", "ntile"];
/// Exact over integers, as long as they stay below 2^53.
const ADD: [&str; 3] = ["sum", "avg", "mean"];
/// Computed in floating point whatever goes in.
const ADD_FLOATS: [&str; 7] = ["var", "stddev", "covar", "corr", "regr_", "geomean", "kurtosis"];

/// `Ok` when the same rows always give the same answer.
pub fn check(plan: &LogicalPlan) -> Result<(), NotDeterministic> {
    each_node(plan, |node| {
        check_limit(node)?;
        let inputs = inputs(node);
        each_expression(node, |expression| check_expression(expression, &inputs))
    })
}

fn check_limit(node: &LogicalPlan) -> Result<(), NotDeterministic> {
    match node {
        LogicalPlan::Limit(limit) if !is_ordered(&limit.input) => Err(NotDeterministic::Limit),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let keys = on.sort_expr.as_deref().unwrap_or_default();
            if orders_rows(keys, on.input.schema()) { Ok(()) } else { Err(NotDeterministic::DistinctOn) }
        }
        _ => Ok(()),
    }
}

/// Looks through what keeps the order.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(sort) => orders_rows(&sort.expr, sort.input.schema()),
        LogicalPlan::Projection(node) => is_ordered(&node.input),
        LogicalPlan::SubqueryAlias(node) => is_ordered(&node.input),
        LogicalPlan::Limit(node) => is_ordered(&node.input),
        _ => plan.max_rows().is_some_and(|rows| rows <= 1),
    }
}

fn inputs(node: &LogicalPlan) -> Vec<&DFSchema> {
    node.inputs().into_iter().map(|input| input.schema().as_ref()).collect()
}

fn check_expression(expression: &Expr, inputs: &[&DFSchema]) -> Result<(), NotDeterministic> {
    match expression {
        Expr::Column(column) => check_column(&column.name),
        Expr::OuterReferenceColumn(_, column) => check_column(&column.name),
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            Err(NotDeterministic::Volatile(call.name().to_owned()))
        }
        Expr::AggregateFunction(call) => check_aggregate(call, inputs),
        Expr::WindowFunction(call) => check_window(call, inputs),
        _ => Ok(()),
    }
}

fn check_column(name: &str) -> Result<(), NotDeterministic> {
    let of_arrival = name == column::INGEST_TIME || name == column::SEQ || name.starts_with("kafka_");
    if of_arrival { Err(NotDeterministic::Arrival(name.to_owned())) } else { Ok(()) }
}

fn check_aggregate(call: &AggregateFunction, inputs: &[&DFSchema]) -> Result<(), NotDeterministic> {
    let name = call.func.name();
    check_sum(name, &call.params.args, inputs)?;
    if PICK_BY_ORDER.contains(&name) && !orders_values(&call.params.order_by, &call.params.args) {
        return Err(NotDeterministic::Unordered(name.to_owned()));
    }
    Ok(())
}

fn check_window(call: &WindowFunction, inputs: &[&DFSchema]) -> Result<(), NotDeterministic> {
    let name = call.fun.name().to_owned();
    check_sum(&name, &call.params.args, inputs)?;
    let keys = &call.params.order_by;
    let by_rows = call.params.window_frame.units == WindowFrameUnits::Rows && !whole_partition(call);
    let needs_order = PICK_BY_ORDER.contains(&name.as_str()) || RANK_BY_ORDER.contains(&name.as_str()) || by_rows;
    let is_ordered = inputs.iter().all(|schema| orders_rows(keys, schema));
    if needs_order && !is_ordered { Err(NotDeterministic::Unordered(name)) } else { Ok(()) }
}

fn whole_partition(call: &WindowFunction) -> bool {
    let frame = &call.params.window_frame;
    frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()
}

fn check_sum(name: &str, arguments: &[Expr], inputs: &[&DFSchema]) -> Result<(), NotDeterministic> {
    if name.starts_with("approx_") {
        return Err(NotDeterministic::Approximate(name.to_owned()));
    }
    let floats = ADD.contains(&name) && arguments.iter().any(|argument| is_float(argument, inputs));
    if floats || ADD_FLOATS.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(NotDeterministic::Float(name.to_owned()));
    }
    Ok(())
}

/// Whether it is a floating-point number that was not an integer before. An unknown type counts as one.
fn is_float(argument: &Expr, inputs: &[&DFSchema]) -> bool {
    let innermost = match argument {
        Expr::Cast(cast) => cast.expr.as_ref(),
        other => other,
    };
    let type_of = |expression: &Expr| inputs.iter().find_map(|schema| expression.get_type(*schema).ok());
    !type_of(innermost).is_some_and(|kind| is_exact(&kind)) && !type_of(argument).is_some_and(|kind| is_exact(&kind))
}

fn is_exact(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_decimal() || kind.is_temporal() || *kind == DataType::Boolean || kind.is_null()
}

#[cfg(test)]
#[path = "determinism_tests.rs"]
mod tests;
