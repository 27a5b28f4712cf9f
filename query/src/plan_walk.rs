//! Every node and every expression of a plan, subqueries included.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Calls `check` for each node until one refuses.
pub(crate) fn each_node<R>(plan: &LogicalPlan, mut check: impl FnMut(&LogicalPlan) -> Result<(), R>) -> Result<(), R> {
    let mut refusal = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let Err(refused) = check(node) {
            refusal = Some(refused);
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the walk itself makes no errors");
    refusal.map_or(Ok(()), Err)
}

/// Calls `check` for each expression of a node, and each expression within, until one refuses. Expressions of
/// subqueries belong to the subqueries' nodes.
pub(crate) fn each_expression<R>(node: &LogicalPlan, mut check: impl FnMut(&Expr) -> Result<(), R>) -> Result<(), R> {
    let mut refusal = None;
    let walked: Result<TreeNodeRecursion, DataFusionError> = node.apply_expressions(|root| {
        root.apply(|expression| {
            if let Err(refused) = check(expression) {
                refusal = Some(refused);
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
    debug_assert!(walked.is_ok(), "the walk itself makes no errors");
    refusal.map_or(Ok(()), Err)
}
