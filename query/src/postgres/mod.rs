//! What clients of Postgres expect beside the tables: `pg_catalog`, the functions that go with it, and Postgres' own ways
//! to write what the engine writes otherwise.
//!
//! One [`Postgres`] lasts as long as its connection, because clients ask for a table's OID in one statement and use it in
//! the next. It knows names, columns and comments of the session's own tables, the connections of whoever asks, and
//! nothing else.

mod acting;
mod activity;
mod backends;
mod comments;
mod format_text;
mod functions;
mod known;
mod nothing_in_them;
mod phrases;
mod stopping;
mod words;

use std::sync::{Arc, LazyLock};

use datafusion::catalog::SchemaProvider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_pg_catalog::setup_pg_catalog;

use crate::information::CATALOG;
use crate::tables::TableInfo;
use crate::template;
pub(crate) use acting::{Acting, planner};
use activity::WithActivity;
pub use backends::{Backend, Backends, Stated, Stop};
use comments::WithComments;
use functions::Asker;
pub use functions::VERSION;
use known::Known;
use nothing_in_them::WithEmptyTables;
pub(crate) use words::rewritten;

pub(crate) const PG_CATALOG: &str = "pg_catalog";

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Postgres {
    asker: Asker,
    known: Known,
    catalogue: Arc<dyn SchemaProvider>,
}

/// Tables of `pg_catalog` that are the same everywhere; reading them takes longer than most statements.
static SAME_EVERYWHERE: LazyLock<Result<Arc<PgCatalogStaticTables>>> =
    LazyLock::new(|| PgCatalogStaticTables::try_new().map(Arc::new));

/// A state with every function and type of Postgres and with ours, and no tables.
static TEMPLATE: LazyLock<Result<SessionState>> = LazyLock::new(|| {
    let context = SessionContext::new_with_config(template::config());
    setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
    Ok(template::settled(context).state())
});

impl Postgres {
    /// For a connection of `user`; `setting` gives what it has set, by name, and `backends` their connections.
    pub fn new(
        user: &str,
        setting: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        backends: Arc<dyn Backends>,
    ) -> Result<Self> {
        let tables = Arc::clone(template::shared(&SAME_EVERYWHERE)?);
        let (asker, known) = (Asker::new(user, setting, backends), Known::default());
        let provider = Arc::new(PgCatalogSchemaProvider::try_new(known.clone(), tables, EmptyContextProvider)?);
        let whole = Arc::new(WithEmptyTables::new(provider));
        let whole = Arc::new(WithActivity::new(whole, asker.clone()));
        let catalogue = Arc::new(WithComments::new(whole, known.clone()));
        Ok(Self { asker, known, catalogue })
    }

    /// A context with Postgres' functions and types, and no tables yet.
    pub(crate) fn context(runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
        Ok(template::anew(template::shared(&TEMPLATE)?, runtime))
    }

    /// From here on the catalogue lists these tables. What acts does so when `acting` has begun.
    pub(crate) fn knows(&self, tables: &[TableInfo], context: &SessionContext, acting: &Acting) -> Result<()> {
        self.known.are(tables);
        let asking = functions::functions(&self.asker).into_iter().chain(comments::functions(&self.known));
        for function in asking.chain(stopping::functions(&self.asker.backends, acting)) {
            context.register_udf(function);
        }
        let catalog = context.catalog(CATALOG);
        let catalog = catalog.ok_or_else(|| DataFusionError::Internal("the session has no catalog".to_owned()))?;
        catalog.register_schema(PG_CATALOG, Arc::clone(&self.catalogue)).map(drop)
    }
}
