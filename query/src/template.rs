//! What every session begins with: our functions, none that make as much as their argument says, and no tables.

use std::sync::{Arc, LazyLock};

use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::functions::functions;
use crate::information::{CATALOG, SCHEMA};

/// Functions whose one call makes as much as its argument says, outside of what the memory limit counts, and already
/// while a statement is planned.
const ENDLESS: [&str; 9] = [
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "repeat",
    "lpad",
    "rpad",
    "range",
    "generate_series",
];

/// Made once: it costs more than most statements.
static TEMPLATE: LazyLock<SessionState> = LazyLock::new(|| settled(SessionContext::new_with_config(config())).state());

/// A session that is still empty.
pub(crate) fn context(runtime: Arc<RuntimeEnv>) -> SessionContext {
    anew(&TEMPLATE, runtime)
}

/// The same with what a template has, in place of ours.
pub(crate) fn anew(template: &SessionState, runtime: Arc<RuntimeEnv>) -> SessionContext {
    let state = SessionStateBuilder::new_from_existing(template.clone())
        .with_config(config())
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()));
    SessionContext::new_with_state(state.build())
}

/// With our functions, and without the endless ones.
pub(crate) fn settled(context: SessionContext) -> SessionContext {
    for function in functions() {
        function.register(&context);
    }
    for name in ENDLESS {
        context.deregister_udf(name);
    }
    context
}

pub(crate) fn config() -> SessionConfig {
    SessionConfig::new().with_information_schema(false).with_default_catalog_and_schema(CATALOG, SCHEMA)
}

/// What could not be made once can be made by nobody.
pub(crate) fn shared<T>(made: &'static LazyLock<Result<T>>) -> Result<&'static T> {
    made.as_ref().map_err(|error| DataFusionError::Internal(error.to_string()))
}
