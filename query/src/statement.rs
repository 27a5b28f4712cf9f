//! From text to a plan that may run: one statement, parameters bound, and read-only by what the plan does.

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};

use crate::error::QueryError;
use crate::information::{CATALOG, INFORMATION_SCHEMA, SCHEMA};
use crate::limits::Limits;
use crate::near::did_you_mean;
use crate::params::Params;
use crate::postgres::{PG_CATALOG, rewritten};
use crate::scope::TenantScope;
use crate::tables::TableInfo;

/// Longer texts are not written by people, and parsing costs memory that no pool counts.
const LONGEST_STATEMENT: usize = 256 * 1024;

/// What the caller knows about itself while it plans.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) state: SessionState,
    pub(crate) tables: &'a [TableInfo],
    pub(crate) scope: &'a TenantScope,
    pub(crate) limits: &'a Limits,
    pub(crate) words: Words,
}

/// Whose way of writing is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Own,
    /// Ours first, so that a statement means the same everywhere; where that cannot be planned, Postgres'. Questions to
    /// the catalogue are Postgres' own: there it is the other way round.
    Postgres,
}

pub(crate) async fn plan(setting: &Setting<'_>, sql: &str, params: Params) -> Result<LogicalPlan, QueryError> {
    params.bind(logical(setting, sql).await?, setting.words)
}

/// The plan before parameters have values.
pub(crate) async fn logical(setting: &Setting<'_>, sql: &str) -> Result<LogicalPlan, QueryError> {
    let asks_the_catalogue = sql.contains("pg_");
    match setting.words {
        Words::Own => as_written(setting, sql).await,
        Words::Postgres if asks_the_catalogue => match as_postgres(setting, sql).await {
            Some(planned) => planned,
            None => as_written(setting, sql).await,
        },
        Words::Postgres => match as_written(setting, sql).await {
            Ok(plan) => Ok(plan),
            // What is wrong with the text as it stands is what its writer should read.
            Err(error) => as_postgres(setting, sql).await.and_then(Result::ok).ok_or(error),
        },
    }
}

async fn as_written(setting: &Setting<'_>, sql: &str) -> Result<LogicalPlan, QueryError> {
    let statement = parse(sql, setting.limits)?;
    if let Some(what) = goes_to_files(&statement) {
        return Err(QueryError::NotReadOnly(what.to_owned()));
    }
    let planned = setting.state.statement_to_plan(statement.clone()).await;
    let plan = planned.map_err(|error| explain_failure(setting, &statement, &error))?;
    check_read_only(&plan, setting.scope)?;
    Ok(plan)
}

/// `None` where it cannot be said in other words.
async fn as_postgres(setting: &Setting<'_>, sql: &str) -> Option<Result<LogicalPlan, QueryError>> {
    if sql.len() > LONGEST_STATEMENT {
        return None;
    }
    let [only] = rewritten(sql)?.try_into().ok()?;
    Some(Box::pin(as_written(setting, &only)).await)
}

fn parse(sql: &str, limits: &Limits) -> Result<Statement, QueryError> {
    if sql.len() > LONGEST_STATEMENT {
        return Err(QueryError::TooLong(sql.len(), LONGEST_STATEMENT));
    }
    let parsed = DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| QueryError::of_planning(&error, limits))?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (first, more) => Err(QueryError::NotOneStatement(usize::from(first.is_some()) + more)),
    }
}

/// Refused before anything looks at the files that they name.
fn goes_to_files(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::CopyTo(_) => Some("COPY"),
        Statement::CreateExternalTable(_) => Some("CREATE EXTERNAL TABLE"),
        Statement::Explain(explain) => goes_to_files(&explain.statement),
        Statement::Statement(_) | Statement::Reset(_) => None,
    }
}

/// An unknown table is what fails most often, so it gets a sentence of its own.
fn explain_failure(setting: &Setting<'_>, statement: &Statement, error: &DataFusionError) -> QueryError {
    let references = setting.state.resolve_table_references(statement).unwrap_or_default();
    match references.iter().find(|reference| !is_known(reference, setting.tables)) {
        Some(unknown) if matches!(error.find_root(), DataFusionError::Plan(_)) => QueryError::UnknownTable {
            name: unknown.to_string(),
            near: did_you_mean(unknown.table(), setting.tables.iter().map(|table| table.name.as_str())),
        },
        _ => QueryError::of_planning(error, setting.limits),
    }
}

fn is_known(reference: &TableReference, tables: &[TableInfo]) -> bool {
    let catalog = reference.catalog().is_none_or(|catalog| catalog == CATALOG);
    let in_information = matches!(reference.schema(), Some(INFORMATION_SCHEMA | PG_CATALOG));
    let schema = in_information || reference.schema().is_none_or(|schema| schema == SCHEMA);
    let table = in_information || tables.iter().any(|table| table.name == reference.table());
    catalog && schema && table
}

fn check_read_only(plan: &LogicalPlan, scope: &TenantScope) -> Result<(), QueryError> {
    let mut refused = None;
    let walked = plan.apply_with_subqueries(|node| {
        refused = refused.take().or_else(|| refusal(node, scope));
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (walked, refused) {
        (Ok(_), None) => Ok(()),
        (_, Some(what)) => Err(QueryError::NotReadOnly(what)),
        (Err(error), None) => Err(QueryError::Invalid(error.strip_backtrace())),
    }
}

/// Nodes that do something other than read, by name. What is not known to read is refused.
fn refusal(node: &LogicalPlan, scope: &TenantScope) -> Option<String> {
    match node {
        LogicalPlan::Ddl(ddl) => Some(ddl.name().to_owned()),
        LogicalPlan::Dml(dml) => Some(dml.name().to_owned()),
        LogicalPlan::Copy(_) => Some("COPY".to_owned()),
        LogicalPlan::Statement(statement) => Some(statement.name().to_owned()),
        LogicalPlan::Extension(_) => Some("an extension".to_owned()),
        LogicalPlan::Analyze(_) if !scope.is_operator() => Some("EXPLAIN ANALYZE within an org".to_owned()),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => None,
    }
}
