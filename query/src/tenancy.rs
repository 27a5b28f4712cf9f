//! Refuses statements that could let one org's rows meet another's.
//!
//! A detector of scope `tenant` runs over many orgs at once. It stays within each when every claim names its org and
//! wherever rows meet (joins, groups, windows, subqueries) `org_id` is part of what they meet on. Tables without an
//! `org_id`, such as provider profiles, belong to nobody and may be joined freely.

use credwatch_schemas::records::column;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator};
use thiserror::Error;

use crate::order::is_column;
use crate::plan_walk::each_expression;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum CrossesTenants {
    #[error("org_id is not among the columns of the answer")]
    Output,
    #[error("a join does not compare org_id with org_id in its ON or USING: {0}")]
    Join(String),
    #[error("a GROUP BY or DISTINCT leaves org_id out: {0}")]
    Group(String),
    #[error("a window's PARTITION BY leaves org_id out: {0}")]
    Window(String),
    #[error("a subquery does not compare its org_id with the outer one: {0}")]
    Subquery(String),
    #[error("a LIMIT counts rows of all orgs together")]
    Limit,
}

/// `Ok` when rows of different orgs never meet. Give it the plan as it comes out of SQL.
pub fn check(plan: &LogicalPlan) -> Result<(), CrossesTenants> {
    if !has_org(plan) {
        return Err(CrossesTenants::Output);
    }
    check_below(plan)
}

fn check_below(plan: &LogicalPlan) -> Result<(), CrossesTenants> {
    check_node(plan)?;
    each_expression(plan, check_subquery)?;
    plan.inputs().into_iter().try_for_each(check_below)
}

fn check_node(node: &LogicalPlan) -> Result<(), CrossesTenants> {
    if !touches_orgs(node) {
        return Ok(());
    }
    match node {
        LogicalPlan::Join(join) if !joins_within_orgs(join) => Err(CrossesTenants::Join(join_text(join))),
        LogicalPlan::Aggregate(aggregate) if !names_org(&aggregate.group_expr) => {
            Err(CrossesTenants::Group(texts(&aggregate.group_expr)))
        }
        LogicalPlan::Distinct(Distinct::All(input)) if !has_org(input) => {
            Err(CrossesTenants::Group("SELECT DISTINCT".to_owned()))
        }
        LogicalPlan::Distinct(Distinct::On(on)) if !names_org(&on.on_expr) => {
            Err(CrossesTenants::Group(texts(&on.on_expr)))
        }
        LogicalPlan::Window(window) => window.window_expr.iter().try_for_each(check_window),
        LogicalPlan::Limit(_) => Err(CrossesTenants::Limit),
        _ => Ok(()),
    }
}

/// A grouping set is no column, so it does not count: it may leave org_id out in one of its sets.
fn names_org(expressions: &[Expr]) -> bool {
    expressions.iter().any(is_org)
}

fn is_org(expression: &Expr) -> bool {
    match expression {
        Expr::Alias(alias) => is_org(&alias.expr),
        other => is_column(other, column::ORG_ID),
    }
}

fn check_window(expression: &Expr) -> Result<(), CrossesTenants> {
    match expression {
        Expr::Alias(alias) => check_window(&alias.expr),
        Expr::WindowFunction(call) if !names_org(&call.params.partition_by) => {
            Err(CrossesTenants::Window(expression.to_string()))
        }
        _ => Ok(()),
    }
}

fn joins_within_orgs(join: &Join) -> bool {
    if !touches_orgs(&join.left) || !touches_orgs(&join.right) {
        return true;
    }
    let by_key = join.on.iter().any(|(left, right)| is_org(left) && is_org(right));
    by_key || join.filter.as_ref().is_some_and(|filter| split_conjunction(filter).into_iter().any(compares_orgs))
}

/// `a.org_id = b.org_id`, of two different tables.
fn compares_orgs(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            is_org(left) && is_org(right) && left != right
        }
        _ => false,
    }
}

fn check_subquery(expression: &Expr) -> Result<(), CrossesTenants> {
    let subquery = match expression {
        Expr::Exists(exists) => &exists.subquery,
        Expr::InSubquery(within) => &within.subquery,
        Expr::SetComparison(comparison) => &comparison.subquery,
        Expr::ScalarSubquery(subquery) => subquery,
        _ => return Ok(()),
    };
    match check_tied(&subquery.subquery) {
        Err(CrossesTenants::Output) => Err(CrossesTenants::Subquery(expression.to_string())),
        other => other,
    }
}

/// From the top of a subquery down to the filters `org_id = outer org_id`: above them there is one org, below them
/// there are all, and the rules hold again. `Output` stands for a table without such a filter over it.
fn check_tied(plan: &LogicalPlan) -> Result<(), CrossesTenants> {
    if !touches_orgs(plan) {
        return Ok(());
    }
    each_expression(plan, check_subquery)?;
    match plan {
        LogicalPlan::Filter(filter) if split_conjunction(&filter.predicate).into_iter().any(is_outer_org) => {
            check_below(&filter.input)
        }
        LogicalPlan::TableScan(_) => Err(CrossesTenants::Output),
        other => other.inputs().into_iter().try_for_each(check_tied),
    }
}

fn is_outer_org(condition: &Expr) -> bool {
    let outer =
        |expression: &Expr| matches!(expression, Expr::OuterReferenceColumn(_, found) if found.name == column::ORG_ID);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            (is_org(left) && outer(right)) || (outer(left) && is_org(right))
        }
        _ => false,
    }
}

fn has_org(plan: &LogicalPlan) -> bool {
    plan.schema().fields().iter().any(|field| field.name() == column::ORG_ID)
}

/// Whether rows of orgs come out of a table somewhere below, whatever the columns are called here.
fn touches_orgs(plan: &LogicalPlan) -> bool {
    let mut touches = false;
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            touches |= scan.source.schema().index_of(column::ORG_ID).is_ok();
        }
        Ok(if touches { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_err() || touches
}

fn join_text(join: &Join) -> String {
    let keys = join.on.iter().map(|(left, right)| format!("{left} = {right}"));
    let text: Vec<String> = keys.chain(join.filter.iter().map(ToString::to_string)).collect();
    if text.is_empty() { "it has no condition".to_owned() } else { text.join(" AND ") }
}

fn texts(expressions: &[Expr]) -> String {
    let texts: Vec<String> = expressions.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "it has no columns".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
#[path = "tenancy_tests.rs"]
mod tests;
