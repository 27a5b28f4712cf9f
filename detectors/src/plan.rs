//! One plan per tick and detector, over all dirty grains of all orgs at once.
//!
//! The plan sees exactly what the file declares: events of dirty grains between two times, its ledgers and rollups, its
//! data tables, settings of orgs. What could differ between runs, or mix tenants, is refused on the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use credwatch_lake::LakeSnapshot;
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

use crate::bind::{self, Bound};
use crate::checked::{Checked, Statement};
use crate::claim;
use crate::configuration::Setting;
use crate::data_file::DataTable;
use crate::definition::{Definition, Judged, Scope, Span};
use crate::dirty::Dirty;
use crate::remembered::Remembered;
use crate::rows_of::{Records, dirty_table, memory_table, only_dirty, org_is_one_of};
use crate::shared;
use crate::store::{Store, parts_of};

/// More claims than this from one judgement mean that the detector is wrong, not that the world is.
const MOST_CLAIMS: usize = 1_000_000;

/// What one judgement asks: one detector, one stretch of configuration.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) dirty: &'a Dirty,
    /// End of what is judged; `None` is everything that was committed.
    pub(crate) until: Option<Micros>,
    /// No event after this can matter, because another configuration holds from there.
    pub(crate) events_to: Option<Micros>,
    pub(crate) learn_until: Option<Micros>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) data: Vec<DataTable>,
}

/// A context with our functions, bounded memory, and nothing registered.
pub(crate) fn context(memory_bytes: usize) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc()?;
    let config = SessionConfig::new().with_information_schema(false);
    let context = SessionContext::new_with_config_rt(config, runtime);
    for function in credwatch_query::functions() {
        function.register(&context);
    }
    Ok(context)
}

/// Runs the detector's statement; its rows are claims.
pub(crate) async fn ask(
    context: &SessionContext,
    records: &Records,
    snapshot: &LakeSnapshot,
    checked: &Checked,
    remembered: &Remembered,
    question: &Question<'_>,
) -> Result<Vec<RecordBatch>> {
    let tables = tables(context, records, snapshot, remembered, question).await?;
    let columns = tables.iter().map(|(name, table)| (name.clone(), table.schema())).collect();
    checked.check(&Statement { definition: question.definition, values: &bindings(question), tables: columns }).await?;
    let mut names: Vec<String> = tables.keys().cloned().collect();
    for (name, table) in tables {
        context.register_table(name, table)?;
    }
    let rows = run(context, question, &mut names).await;
    for name in names {
        context.deregister_table(name)?;
    }
    rows
}

/// `names` learns of the tables that were registered on the way.
async fn run(context: &SessionContext, question: &Question<'_>, names: &mut Vec<String>) -> Result<Vec<RecordBatch>> {
    let statement = bind::statement(&context.state(), &question.definition.claims, &bindings(question))?;
    let rest = shared::compute(context, statement, names).await?;
    let plan = context.state().statement_to_plan(rest).await?;
    claim::check_columns(question.definition, plan.schema().as_arrow()).map_err(|error| refused(&error))?;
    let claims = context.execute_logical_plan(plan).await?.collect().await?;
    let count: usize = claims.iter().map(RecordBatch::num_rows).sum();
    if count > MOST_CLAIMS {
        return Err(DataFusionError::Execution(format!(
            "it claims {count} findings at once; more than {MOST_CLAIMS} cannot be right"
        )));
    }
    Ok(claims)
}

pub(crate) fn refused(error: &dyn std::error::Error) -> DataFusionError {
    DataFusionError::Plan(error.to_string())
}

fn bindings(question: &Question<'_>) -> BTreeMap<String, Bound> {
    let parameters = question.definition.parameters.iter();
    let mut bound: BTreeMap<String, Bound> =
        parameters.filter_map(|(name, parameter)| Some((name.clone(), Bound::Value(parameter.typed()?)))).collect();
    bound.insert("until".to_owned(), Bound::Time(question.until));
    bound.insert("learn_until".to_owned(), Bound::Time(question.learn_until));
    bound
}

type Tables = BTreeMap<String, Arc<dyn TableProvider>>;

async fn tables(
    context: &SessionContext,
    records: &Records,
    snapshot: &LakeSnapshot,
    remembered: &Remembered,
    question: &Question<'_>,
) -> Result<Tables> {
    let (definition, dirty) = (question.definition, question.dirty);
    let mut tables = Tables::new();
    let last = [last_event(definition, question.until), question.events_to].into_iter().flatten().min();
    let looks_at = definition.looks_at.as_ref();
    let events = records.events(context, remembered, looks_at, dirty, reach(definition), last).await?;
    tables.insert("events".to_owned(), events.into_view());
    tables.insert("dirty".to_owned(), dirty_table(dirty)?);
    for (name, store) in stores(definition) {
        let Some(parts) = parts_of(snapshot, &store) else {
            return Err(DataFusionError::Plan(format!("the store \"{name}\" is not built yet")));
        };
        let parts = of_dirty_orgs(context, context.read_table(parts)?, question)?;
        tables.insert(name.clone(), store.view(context, parts, dirty.earliest(), question.until)?.into_view());
    }
    let settings = context.read_table(settings_table(&question.settings)?)?;
    tables.insert("org_settings".to_owned(), of_dirty_orgs(context, settings, question)?.into_view());
    for table in &question.data {
        tables.insert(table.name.clone(), memory_table(table.rows.clone())?);
    }
    Ok(tables)
}

fn stores(definition: &Definition) -> Vec<(&String, Store)> {
    let ledgers = definition.ledgers.iter().map(|(name, ledger)| (name, Store::Ledger(ledger.clone())));
    let rollups = definition.rollups.iter().map(|(name, rollup)| (name, Store::Rollup(rollup.clone())));
    ledgers.chain(rollups).collect()
}

/// How far before what is judged an event can matter: the window that ends there, the history, and the stretch in
/// which events may still change an earlier claim.
pub(crate) fn reach(definition: &Definition) -> i64 {
    let length = definition.judged.length().map_or(0, Span::micros);
    definition.history.micros() + definition.window.micros() + length
}

/// The last time at which an event counts. A window does not hold its end; an eager judgement holds its last instant.
pub(crate) fn last_event(definition: &Definition, until: Option<Micros>) -> Option<Micros> {
    match definition.judged {
        Judged::Eager => until,
        Judged::Every(_) => until.map(|until| until.plus(-1)),
    }
}

/// Rows of other orgs than the dirty ones do not even exist for a tenant's detector.
fn of_dirty_orgs(context: &SessionContext, rows: DataFrame, question: &Question<'_>) -> Result<DataFrame> {
    let Some(orgs) = question.dirty.orgs().filter(|_| question.definition.scope == Scope::Tenant) else {
        return Ok(rows);
    };
    if orgs.len() <= 100 {
        return rows.filter(org_is_one_of(&orgs));
    }
    let mut only_orgs = Dirty::new(vec![column::ORG_ID.to_owned()]);
    orgs.into_iter().for_each(|org| only_orgs.mark(vec![org], Micros(0)));
    only_dirty(context, rows, &only_orgs, None)
}

fn settings_table(settings: &[Setting]) -> Result<Arc<dyn TableProvider>> {
    let texts = |of: fn(&Setting) -> &str| -> ArrayRef {
        Arc::new(settings.iter().map(|one| Some(of(one))).collect::<StringArray>())
    };
    let fields = ["org_id", "key", "value"].map(|name| Field::new(name, DataType::Utf8, true));
    let columns = vec![texts(|one| &one.org_id), texts(|one| &one.key), texts(|one| &one.value)];
    memory_table(RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns).map_err(DataFusionError::from)?)
}
