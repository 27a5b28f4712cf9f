//! From text to a plan that may run: one statement, parameters bound, and read-only by what the plan does.

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};

use crate::chain::{self, LONGEST_CHAIN};
use crate::dialect::in_our_words;
use crate::error::QueryError;
use crate::growth::largest_expression;
use crate::information::{CATALOG, INFORMATION_SCHEMA, SCHEMA};
use crate::limits::Limits;
use crate::near::did_you_mean;
use crate::params::Params;
use crate::postgres::{PG_CATALOG, rewritten};
use crate::scope::TenantScope;
use crate::tables::TableInfo;
use crate::weight::weight;

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
    /// Ours for whatever reads the session's own tables, so that a statement means the same everywhere; Postgres' for
    /// questions to its catalogue.
    Postgres,
}

pub(crate) async fn plan(setting: &Setting<'_>, sql: &str, params: Params) -> Result<LogicalPlan, QueryError> {
    params.bind(logical(setting, sql).await?, setting.words)
}

/// The plan before parameters have values.
pub(crate) async fn logical(setting: &Setting<'_>, sql: &str) -> Result<LogicalPlan, QueryError> {
    let other_words = match setting.words {
        Words::Own => None,
        Words::Postgres => said_otherwise(setting, sql),
    };
    let Some(other_words) = other_words else { return as_written(setting, sql).await };
    match as_written(setting, &other_words).await {
        Ok(plan) => Ok(plan),
        // What is wrong with the text as it stands is what its writer should read, unless it is Postgres' own.
        Err(theirs) => {
            as_written(setting, sql).await.map_err(|ours| if sql.contains(PG_CATALOG) { theirs } else { ours })
        }
    }
}

/// The statement in the engine's words. A statement that reads the session's own tables stays as it is: in other words it
/// might mean something else.
fn said_otherwise(setting: &Setting<'_>, sql: &str) -> Option<String> {
    if !may_be_read(sql) {
        return None;
    }
    let [(only, relations)] = rewritten(sql)?.try_into().ok()?;
    let is_own = |relation: &String| setting.tables.iter().any(|table| table.name == *relation);
    (!relations.iter().any(is_own)).then_some(only)
}

async fn as_written(setting: &Setting<'_>, sql: &str) -> Result<LogicalPlan, QueryError> {
    let statement = parse(sql, setting.limits)?;
    if weight(&statement) > MOST_NODES {
        return Err(QueryError::Invalid(format!("it has more than {MOST_NODES} parts")));
    }
    if let Some(what) = goes_to_files(&statement) {
        return Err(QueryError::NotReadOnly(what.to_owned()));
    }
    let planned = setting.state.statement_to_plan(statement.clone()).await;
    let plan = planned.map_err(|error| explain_failure(setting, &statement, &error))?;
    check_read_only(&plan, setting.scope)?;
    if largest_expression(&plan) > LARGEST_EXPRESSION {
        return Err(QueryError::Invalid(
            "its steps make an expression of each other that grows without end".to_owned(),
        ));
    }
    Ok(plan)
}

fn parse(sql: &str, limits: &Limits) -> Result<Statement, QueryError> {
    if sql.len() > LONGEST_STATEMENT {
        return Err(QueryError::TooLong(sql.len(), LONGEST_STATEMENT));
    }
    if chain::is_too_long(sql) {
        return Err(QueryError::Invalid(format!("it has more than {LONGEST_CHAIN} operators in a row")));
    }
    let parsed = DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| QueryError::of_planning(&error, limits))?;
    match (statements.pop_front(), statements.len()) {
        (Some(mut statement), 0) => in_our_words(&mut statement).map(|()| statement),
        (first, more) => Err(QueryError::NotOneStatement(usize::from(first.is_some()) + more)),
    }
}

/// Whether a text may be given to any parser.
pub fn may_be_read(sql: &str) -> bool {
    sql.len() <= LONGEST_STATEMENT && chain::is_short_for_all(sql)
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

/// A few nested steps of a WITH can stand for more parts than anybody could count.
const MOST_NODES: u64 = 5_000;
/// In parts; an expression of a person's has a few hundred.
const LARGEST_EXPRESSION: u64 = 50_000;

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
