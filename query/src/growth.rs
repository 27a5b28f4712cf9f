//! How large the expressions of a plan grow when columns are replaced by what makes them, as the optimizer does: a step
//! that says `x || x` of a step that says the same doubles each time. Pure.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Parts of the largest expression.
pub(crate) fn largest_expression(plan: &LogicalPlan) -> u64 {
    let mut largest = 1;
    sizes(plan, &mut largest);
    largest
}

/// What each column of the plan stands for.
fn sizes(plan: &LogicalPlan, largest: &mut u64) -> Vec<u64> {
    let inputs: Vec<Vec<u64>> = plan.inputs().into_iter().map(|input| sizes(input, largest)).collect();
    let below: Vec<u64> = inputs.concat();
    let columns = plan.schema().fields().len();
    let made: Vec<u64> = match plan {
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().map(|one| size(one, projection.input.schema(), &below)).collect()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let expressions = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            expressions.map(|one| size(one, aggregate.input.schema(), &below)).collect()
        }
        // Unions, windows and unnesting are looked through too, but by whole columns: the largest stands for all.
        _ if below.len() < columns || matches!(plan, LogicalPlan::Union(_)) => {
            vec![below.iter().copied().max().unwrap_or(1); columns]
        }
        _ => below,
    };
    *largest = made.iter().copied().fold(*largest, u64::max);
    made.into_iter().chain(std::iter::repeat(1)).take(columns).collect()
}

fn size(expression: &Expr, schema: &DFSchema, below: &[u64]) -> u64 {
    let mut size = 0_u64;
    let walked = expression.apply(|part| {
        let stands_for = match part {
            Expr::Column(column) => schema.maybe_index_of_column(column).and_then(|place| below.get(place)).copied(),
            _ => None,
        };
        size = size.saturating_add(stands_for.unwrap_or(1));
        Ok(TreeNodeRecursion::Continue)
    });
    if walked.is_ok() { size } else { u64::MAX }
}
