//! A table cut to some rows and columns, below anything that a statement can name.
//!
//! The condition is applied twice: it is given to the table inside, which may leave out files by it, and it is
//! evaluated exactly on every row above the scan. Of the statement's own filters only those that cannot fail on any
//! value go below the tenant's filter, since a failure would tell about rows of others.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;

use crate::barrier::Barrier;

#[derive(Debug)]
pub(crate) struct ScopedTable {
    inner: Arc<dyn TableProvider>,
    condition: Option<Expr>,
    /// Places of the visible columns in the table inside.
    columns: Vec<usize>,
    schema: SchemaRef,
    /// Whether rows that the condition leaves out must stay secret.
    guarded: bool,
}

impl ScopedTable {
    pub(crate) fn new(
        inner: Arc<dyn TableProvider>,
        condition: Option<Expr>,
        guarded: bool,
        is_visible: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let whole = inner.schema();
        let fields = whole.fields().iter().enumerate();
        let columns: Vec<usize> =
            fields.filter(|(_, field)| is_visible(field.name())).map(|(place, _)| place).collect();
        let schema = Arc::new(whole.project(&columns)?);
        Ok(Self { inner, condition, columns, schema, guarded })
    }

    /// The wanted columns first, then those that only the predicate needs.
    fn columns_to_read(&self, wanted: &[usize], predicate: &Expr) -> Result<Vec<usize>> {
        let whole = self.inner.schema();
        let mut read = wanted.to_vec();
        let needed = predicate.column_refs().into_iter().map(|column| Ok(whole.index_of(column.name())?));
        let mut needed: Vec<usize> = needed.collect::<Result<_>>()?;
        needed.sort_unstable();
        read.extend(needed.into_iter().filter(|place| !wanted.contains(place)));
        Ok(read)
    }

    async fn filtered(
        &self,
        state: &dyn Session,
        wanted: &[usize],
        filters: Vec<Expr>,
        predicate: Expr,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let read = self.columns_to_read(wanted, &predicate)?;
        let scan = self.inner.scan(state, Some(&read), &filters, None).await?;
        let schema: Schema = self.inner.schema().project(&read)?;
        let predicate = state.create_physical_expr(predicate, &DFSchema::try_from(schema)?)?;
        let visible = (0..wanted.len()).collect();
        let filter = FilterExecBuilder::new(predicate, scan).apply_projection(Some(visible))?.build()?;
        Ok(Arc::new(filter))
    }
}

#[async_trait]
impl TableProvider for ScopedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// The statement's own filter stays in its plan, above this table.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<usize> = match projection {
            Some(places) => places.iter().map(|place| self.columns[*place]).collect(),
            None => self.columns.clone(),
        };
        let harmless = filters.iter().filter(|filter| cannot_fail(filter)).cloned();
        let below: Vec<Expr> = self.condition.iter().cloned().chain(harmless).collect();
        let plan = match conjunction(below.clone()) {
            Some(predicate) => self.filtered(state, &wanted, below, predicate).await?,
            None => self.inner.scan(state, Some(&wanted), &[], None).await?,
        };
        if self.guarded { Ok(Arc::new(Barrier::new(plan))) } else { Ok(plan) }
    }
}

/// Comparisons of columns with literals and their combinations: whatever the value, they give an answer.
fn cannot_fail(filter: &Expr) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            cannot_fail(left) && cannot_fail(right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => is_comparison(*op) && is_plain(left) && is_plain(right),
        Expr::Not(inner) => cannot_fail(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_plain(inner),
        Expr::InList(list) => is_plain(&list.expr) && list.list.iter().all(is_plain),
        Expr::Between(between) => is_plain(&between.expr) && is_plain(&between.low) && is_plain(&between.high),
        _ => false,
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn is_plain(expression: &Expr) -> bool {
    matches!(expression, Expr::Column(_) | Expr::Literal(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::DataType;
    use datafusion::prelude::{cast, col, lit};

    #[test]
    fn what_can_fail_on_a_value_stays_above_the_tenants_filter() {
        assert!(cannot_fail(&col("a").eq(lit("x")).and(col("b").gt_eq(lit(1)))));
        assert!(!cannot_fail(&cast(col("a"), DataType::Int64).eq(lit(1_i64))));
        assert!(!cannot_fail(&(lit(1) / col("b")).eq(lit(1))));
        assert!(!cannot_fail(&col("a").eq(lit("x")).and(cast(col("a"), DataType::Int64).eq(lit(1_i64)))));
    }
}
