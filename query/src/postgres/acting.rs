//! Functions that do something beside giving a value: when they may, and for which rows.
//!
//! They do nothing while a statement is planned, however the engine tries expressions out on its way. And they stand
//! among the columns of the answer alone: what they are computed for elsewhere is the engine's choice, and need not be
//! the rows that pass the statement's conditions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;

use super::stopping::NAMES;
use crate::error::QueryError;
use crate::plan_walk::{each_expression, each_node};

/// Whether the statement of a session runs by now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acting(Arc<AtomicBool>);

impl Acting {
    /// The plan is made; whatever is computed from here on is computed for the answer.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// With what a statement goes on to be planned; refuses one whose functions act for other rows than its answer's.
pub(crate) fn planner(state: SessionState, plan: &LogicalPlan) -> Result<SessionState, QueryError> {
    match calls_within(plan) {
        0 => Ok(state),
        _ if acts_for_the_answer(plan, true) => Ok(in_order(state)),
        _ => Err(QueryError::Invalid(format!("{} stand among the columns of the answer alone", NAMES.join(" and ")))),
    }
}

/// The engine would compute columns below a condition where that leaves fewer of them to carry.
fn in_order(state: SessionState) -> SessionState {
    let moves = ProjectionPushdown::new();
    let rules = state.physical_optimizers().iter().filter(|rule| rule.name() != moves.name()).cloned().collect();
    SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rules(rules).build()
}

/// Whether all calls are in the columns that come out. They are computed before they are sorted, so a limit after that
/// would come too late.
fn acts_for_the_answer(plan: &LogicalPlan, may_be_sorted: bool) -> bool {
    let (all, own) = (calls_within(plan), calls_of(plan));
    let below = |input: &LogicalPlan| calls_within(input) == all;
    match plan {
        LogicalPlan::Limit(limit) => below(&limit.input) && acts_for_the_answer(&limit.input, false),
        LogicalPlan::Sort(sort) => may_be_sorted && below(&sort.input) && acts_for_the_answer(&sort.input, true),
        LogicalPlan::Projection(_) if own == all => true,
        // What the rows are sorted by is left out again.
        LogicalPlan::Projection(columns) if matches!(*columns.input, LogicalPlan::Sort(_)) => {
            below(&columns.input) && acts_for_the_answer(&columns.input, may_be_sorted)
        }
        _ => false,
    }
}

fn calls_within(plan: &LogicalPlan) -> usize {
    let mut calls = 0;
    let Ok(()) = each_node(plan, |node| {
        calls += calls_of(node);
        Ok::<(), Infallible>(())
    });
    calls
}

fn calls_of(node: &LogicalPlan) -> usize {
    let mut calls = 0;
    let Ok(()) = each_expression(node, |expression| {
        calls += usize::from(is_call(expression));
        Ok::<(), Infallible>(())
    });
    calls
}

fn is_call(expression: &Expr) -> bool {
    matches!(expression, Expr::ScalarFunction(call) if NAMES.contains(&call.name()))
}
