//! One snapshot, one scope, one set of limits: everything that a statement is run with.

use std::sync::Arc;

use credwatch_lake::LakeSnapshot;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use tokio::time::{Instant, timeout_at};

use crate::error::QueryError;
use crate::ground::{self, Ground};
use crate::information::{CATALOG, INFORMATION_SCHEMA, InformationSchema, SCHEMA};
use crate::limits::Limits;
use crate::params::{self, Params};
use crate::postgres::{Acting, Postgres, planner};
use crate::public_schema::PublicSchema;
use crate::scope::{Books, TenantScope};
use crate::statement::{self, Setting, Words};
use crate::stream::QueryStream;
use crate::tables::{self, TableInfo, Whole};
use crate::template;

/// Runs statements against one snapshot for one scope. Statements that run at the same time share its memory limit; a
/// session per request keeps them apart, and costs little.
#[derive(Debug)]
pub struct Session {
    desk: Arc<Desk>,
    ground: Option<Ground>,
}

/// Everything that a statement is planned with.
struct Desk {
    context: SessionContext,
    tables: Arc<[TableInfo]>,
    scope: TenantScope,
    limits: Limits,
    words: Words,
    acting: Acting,
}

/// What is known of a statement before it runs.
#[derive(Debug, Clone)]
pub struct Described {
    /// The answer's columns.
    pub schema: SchemaRef,
    /// For `$1`, `$2`, ...: the column that each is compared with or cast to, where that shows.
    pub parameters: Vec<Option<FieldRef>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Desk").field("scope", &self.scope).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that holds the snapshot's tables as the scope sees them, and nothing else. The books stay closed.
    pub fn open(snapshot: &LakeSnapshot, scope: TenantScope, limits: Limits) -> Result<Self, QueryError> {
        Self::over(tables::whole(snapshot), scope, Books::Closed, limits, None)
    }

    /// The same for somebody who may, or may not, read the audit.
    pub fn open_with(
        snapshot: &LakeSnapshot,
        scope: TenantScope,
        books: Books,
        limits: Limits,
    ) -> Result<Self, QueryError> {
        Self::over(tables::whole(snapshot), scope, books, limits, None)
    }

    /// The same for somebody whose client takes this for Postgres.
    pub fn open_as_postgres(
        snapshot: &LakeSnapshot,
        scope: TenantScope,
        books: Books,
        limits: Limits,
        postgres: &Postgres,
    ) -> Result<Self, QueryError> {
        Self::over(tables::whole(snapshot), scope, books, limits, Some(postgres))
    }

    pub(crate) fn over(
        whole: Whole,
        scope: TenantScope,
        books: Books,
        limits: Limits,
        postgres: Option<&Postgres>,
    ) -> Result<Self, QueryError> {
        let words = if postgres.is_some() { Words::Postgres } else { Words::Own };
        let acting = Acting::default();
        let opened = runtime(&limits).and_then(|runtime| {
            let context = match postgres {
                None => template::context(runtime),
                Some(_) => Postgres::context(runtime)?,
            };
            let tables = fill(&context, whole, (&scope, books), words)?;
            postgres.map_or(Ok(()), |postgres| postgres.knows(&tables, &context, &acting))?;
            Ok((context, tables))
        });
        let (context, tables) = opened.map_err(|error| QueryError::of_execution(&error, &limits))?;
        let desk = Arc::new(Desk { context, tables, scope, limits, words, acting });
        Ok(Self { desk, ground: None })
    }

    /// Plans and runs statements there and not where it is called.
    pub fn on(self, ground: Ground) -> Self {
        Self { ground: Some(ground), ..self }
    }

    /// The tables that a statement can name, by name.
    pub fn tables(&self) -> &[TableInfo] {
        &self.desk.tables
    }

    pub fn scope(&self) -> &TenantScope {
        &self.desk.scope
    }

    /// Plans and starts one statement. The clock starts here.
    pub async fn run(&self, sql: &str, params: Params) -> Result<QueryStream, QueryError> {
        let (desk, sql, limits) = (Arc::clone(&self.desk), sql.to_owned(), self.desk.limits);
        let deadline = Instant::now() + limits.time;
        let start = ground::done(self.ground.as_ref(), async move { desk.start(&sql, params).await });
        let started = timeout_at(deadline, start).await;
        let (rows, plan) = started.unwrap_or(Err(QueryError::Time(limits.time)))?;
        Ok(QueryStream::new(rows, plan, limits, deadline, self.ground.as_ref()))
    }

    /// Whether a statement could be run, whatever values its parameters get.
    pub async fn check(&self, sql: &str) -> Result<(), QueryError> {
        let (desk, sql, limits) = (Arc::clone(&self.desk), sql.to_owned(), self.desk.limits);
        let check = ground::done(self.ground.as_ref(), async move { statement::logical(&desk.setting(), &sql).await });
        let checked = timeout_at(Instant::now() + limits.time, check).await;
        checked.unwrap_or(Err(QueryError::Time(limits.time))).map(drop)
    }

    /// The columns of a statement's answer with these values; nothing is run.
    pub async fn columns(&self, sql: &str, params: Params) -> Result<SchemaRef, QueryError> {
        let (desk, sql, limits) = (Arc::clone(&self.desk), sql.to_owned(), self.desk.limits);
        let columns = ground::done(self.ground.as_ref(), async move {
            let plan = statement::plan(&desk.setting(), &sql, params).await?;
            desk.columns_of(&plan)
        });
        let columns = timeout_at(Instant::now() + limits.time, columns).await;
        columns.unwrap_or(Err(QueryError::Time(limits.time)))
    }

    /// Plans one statement and runs nothing.
    pub async fn describe(&self, sql: &str) -> Result<Described, QueryError> {
        let (desk, sql, limits) = (Arc::clone(&self.desk), sql.to_owned(), self.desk.limits);
        let describe = ground::done(self.ground.as_ref(), async move { desk.describe(&sql).await });
        let described = timeout_at(Instant::now() + limits.time, describe).await;
        described.unwrap_or(Err(QueryError::Time(limits.time)))
    }
}

impl Desk {
    async fn describe(&self, sql: &str) -> Result<Described, QueryError> {
        let plan = statement::logical(&self.setting(), sql).await?;
        Ok(Described { schema: self.columns_of(&plan)?, parameters: params::places(&plan)? })
    }

    fn columns_of(&self, plan: &LogicalPlan) -> Result<SchemaRef, QueryError> {
        match plan {
            LogicalPlan::Explain(_) => Ok(explained(plan).map_err(|error| self.failed(&error))?.schema()),
            _ => Ok(Arc::clone(plan.schema().inner())),
        }
    }

    fn setting(&self) -> Setting<'_> {
        let state = self.context.state();
        Setting { state, tables: &self.tables, scope: &self.scope, limits: &self.limits, words: self.words }
    }

    fn failed(&self, error: &DataFusionError) -> QueryError {
        QueryError::of_planning(error, &self.limits)
    }

    async fn start(&self, sql: &str, params: Params) -> Result<Started, QueryError> {
        let setting = self.setting();
        let plan = statement::plan(&setting, sql, params).await?;
        let failed = |error: DataFusionError| self.failed(&error);
        if let LogicalPlan::Explain(explain) = &plan {
            let rows = explained(&setting.state.optimize(&explain.plan).map_err(failed)?).map_err(failed)?;
            return Ok((rows, None));
        }
        let planner = planner(setting.state, &plan)?;
        let physical = planner.create_physical_plan(&plan).await.map_err(failed)?;
        let physical = ground::yielding(physical).map_err(failed)?;
        self.acting.begin();
        let rows = execute_stream(Arc::clone(&physical), self.context.task_ctx()).map_err(failed)?;
        Ok((rows, Some(physical)))
    }
}

/// The rows to come, and the plan that makes them.
type Started = (SendableRecordBatchStream, Option<Arc<dyn ExecutionPlan>>);

/// No spilling: what does not fit is an error, and nothing of a tenant lies around on disk.
fn runtime(limits: &Limits) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
}

fn fill(
    context: &SessionContext,
    whole: Whole,
    (scope, books): (&TenantScope, Books),
    words: Words,
) -> Result<Arc<[TableInfo]>, DataFusionError> {
    let tables = PublicSchema::new(tables::scoped(whole, scope, books)?);
    let infos: Arc<[TableInfo]> = tables.infos()?.into();
    let catalog = context.catalog(CATALOG);
    let catalog = catalog.ok_or_else(|| DataFusionError::Internal("the session has no catalog".to_owned()))?;
    catalog.register_schema(SCHEMA, Arc::new(tables))?;
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(InformationSchema::new(Arc::clone(&infos), words)))?;
    Ok(infos)
}

/// The logical plan only: the physical one names files, and counts the rows of others.
fn explained(plan: &LogicalPlan) -> Result<SendableRecordBatchStream, DataFusionError> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values([value])) };
    let indented = plan.display_indent().to_string();
    let rows = RecordBatch::try_from_iter([("plan_type", text("logical_plan")), ("plan", text(&indented))])?;
    let schema = rows.schema();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(rows)]))))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
