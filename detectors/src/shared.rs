//! What a statement names once in its WITH and reads more than once is computed once; what picks its groups is computed
//! before what it picks for.
//!
//! DataFusion plans every reference anew: in a chain of ten steps that are each read twice, the first would run a thousand
//! times. Here such a step is computed, stands as a table while the statement runs, and leaves the WITH. So does a step with
//! a HAVING: it names the few things that are worth a closer look, and where it names none, whatever is joined with it is
//! known to be empty before a file is opened. A step that turns out large stays where it was and is streamed wherever it
//! is read: what is held in memory has a bound.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Cte, Query, visit_relations};
use futures::TryStreamExt;

/// Most memory that the steps of a statement may hold together that are read more than once.
const MOST_BYTES: usize = 128 << 20;

/// Most memory that those of them may hold which are read once: what picks names few.
const MOST_PICKED_BYTES: usize = 8 << 20;

/// Reads a step that has its name, and that stands in its WITH.
const ALONE: &str = "WITH __step AS (SELECT 1) SELECT * FROM __step";

/// What is left of the statement; `tables` learns the names of those that it reads besides what was there.
pub(crate) async fn compute(
    context: &SessionContext,
    mut statement: Statement,
    tables: &mut Vec<String>,
) -> Result<Statement> {
    let Some(query) = query_of(&mut statement) else { return Ok(statement) };
    let (mut left, mut room, mut small_room) = (Vec::<Cte>::new(), MOST_BYTES, MOST_PICKED_BYTES);
    for step in steps_of(query) {
        let name = step.alias.name.value.clone();
        let room = match readers(query, &name) {
            0 => None,
            1 => picks(&step).then_some(&mut small_room),
            _ => Some(&mut room),
        };
        let is_free = step.alias.name.quote_style.is_none() && !context.table_exist(name.as_str())?;
        let rows = match room.filter(|_| is_free) {
            Some(room) => kept(context, &left, &step, room).await?,
            None => None,
        };
        let Some(rows) = rows else {
            left.push(step);
            continue;
        };
        context.register_table(name.as_str(), rows)?;
        tables.push(name);
    }
    put_back(query, left);
    Ok(statement)
}

fn query_of(statement: &mut Statement) -> Option<&mut Query> {
    let Statement::Statement(inner) = statement else { return None };
    let ast::Statement::Query(query) = inner.as_mut() else { return None };
    query.with.as_ref().is_some_and(|with| !with.recursive).then_some(query)
}

fn steps_of(query: &Query) -> Vec<Cte> {
    query.with.as_ref().map(|with| with.cte_tables.clone()).unwrap_or_default()
}

/// How often the whole query, its steps included, reads from a table of this name.
fn readers(query: &Query, name: &str) -> usize {
    let mut many = 0;
    let walked = visit_relations(query, |relation| {
        many += usize::from(relation.to_string() == name);
        ControlFlow::<()>::Continue(())
    });
    match walked {
        ControlFlow::Continue(()) | ControlFlow::Break(()) => many,
    }
}

/// Whether it leaves out groups.
fn picks(step: &Cte) -> bool {
    matches!(step.query.body.as_ref(), ast::SetExpr::Select(select) if select.having.is_some())
}

fn put_back(query: &mut Query, left: Vec<Cte>) {
    query.with = query.with.take().filter(|_| !left.is_empty()).map(|with| ast::With { cte_tables: left, ..with });
}

/// The step's rows; `None` when there is no room for them.
async fn kept(
    context: &SessionContext,
    before: &[Cte],
    step: &Cte,
    room: &mut usize,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let plan = context.state().statement_to_plan(alone(context, before, step)?).await?;
    let mut rows = context.execute_logical_plan(plan).await?.execute_stream().await?;
    let (schema, mut batches, mut left) = (rows.schema(), Vec::<RecordBatch>::new(), *room);
    while let Some(batch) = rows.try_next().await? {
        match left.checked_sub(batch.get_array_memory_size()) {
            Some(less) => left = less,
            None => return Ok(None),
        }
        batches.push(batch);
    }
    *room = left;
    match batches.iter().all(|batch| batch.num_rows() == 0) {
        true => Ok(Some(nothing(&schema)?)),
        false => Ok(Some(Arc::new(MemTable::try_new(schema, vec![batches])?))),
    }
}

/// No rows, and the planner knows it.
fn nothing(schema: &SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let schema = Arc::new(DFSchema::try_from(Arc::clone(schema))?);
    let plan = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema });
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// All rows of the step, which may read the steps before it.
fn alone(context: &SessionContext, before: &[Cte], step: &Cte) -> Result<Statement> {
    let state = context.state();
    let mut statement = state.sql_to_statement(ALONE, &state.config().options().sql_parser.dialect)?;
    let Some(query) = query_of(&mut statement) else {
        return Err(DataFusionError::Internal("a WITH is not a query".to_owned()));
    };
    let mut step = step.clone();
    step.alias.name = steps_of(query).remove(0).alias.name;
    put_back(query, before.iter().cloned().chain([step]).collect());
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{Int64Type, Schema};

    async fn first_number(context: &SessionContext, statement: Statement) -> i64 {
        let plan = context.state().statement_to_plan(statement).await.unwrap();
        let rows = context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
        rows[0].column(0).as_primitive::<Int64Type>().value(0)
    }

    #[tokio::test]
    async fn what_is_read_twice_becomes_a_table_and_the_answer_stays() {
        let context = SessionContext::new();
        let sql = "WITH two AS (SELECT 1 AS x UNION ALL SELECT 2), once AS (SELECT x FROM two), \
                   four AS (SELECT a.x FROM two a CROSS JOIN once) SELECT count(*) FROM four CROSS JOIN four AS other";
        let dialect = context.state().config().options().sql_parser.dialect;
        let statement = context.state().sql_to_statement(sql, &dialect).unwrap();
        let expected = first_number(&context, statement.clone()).await;
        let mut tables = Vec::new();
        let rest = compute(&context, statement, &mut tables).await.unwrap();
        assert_eq!(tables, ["two", "four"]);
        assert!(rest.to_string().starts_with("WITH once AS"), "{rest}");
        assert_eq!((first_number(&context, rest).await, expected), (16, 16));
    }

    #[tokio::test]
    async fn where_nothing_is_picked_nothing_is_read() {
        let context = SessionContext::new();
        let many = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1, 2, 2])) as _)]).unwrap();
        context.register_batch("many", many).unwrap();
        let sql = "WITH often AS (SELECT x FROM many GROUP BY x HAVING count(*) > 2), \
                   told AS (SELECT m.x, row_number() OVER (ORDER BY m.x) AS place FROM many m JOIN often o ON o.x = m.x) \
                   SELECT x, max(place) AS last FROM told GROUP BY x";
        let dialect = context.state().config().options().sql_parser.dialect;
        let statement = context.state().sql_to_statement(sql, &dialect).unwrap();
        let mut tables = Vec::new();
        let rest = compute(&context, statement, &mut tables).await.unwrap();
        assert_eq!(tables, ["often"]);
        let plan = context.state().optimize(&context.state().statement_to_plan(rest).await.unwrap()).unwrap();
        assert_eq!(plan.display_indent().to_string(), "EmptyRelation: rows=0");
    }

    #[tokio::test]
    async fn a_step_with_the_name_of_a_table_is_left_alone() {
        let context = SessionContext::new();
        let taken = MemTable::try_new(Arc::new(Schema::empty()), vec![vec![]]).unwrap();
        context.register_table("two", Arc::new(taken)).unwrap();
        let sql = "WITH two AS (SELECT 1 AS x) SELECT count(*) FROM two CROSS JOIN two AS other";
        let dialect = context.state().config().options().sql_parser.dialect;
        let mut tables = Vec::new();
        let statement = context.state().sql_to_statement(sql, &dialect).unwrap();
        let rest = compute(&context, statement, &mut tables).await.unwrap();
        assert!(tables.is_empty());
        assert_eq!(first_number(&context, rest).await, 1);
    }
}
