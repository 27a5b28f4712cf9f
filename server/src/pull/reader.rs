//! Whose rows a request pulls. The one place of this module that decides it.

use credwatch_query::TenantScope;

use super::asked::Asked;
use crate::problem::Problem;
use crate::tenant::scope;

/// Who asks, as far as reading is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) scope: TenantScope,
    /// The word that chose the scope: a next page must say it again.
    pub(crate) org: Option<String>,
}

/// Until keys exist it is the org that the request names, or the operator of this machine.
pub(crate) fn reader(asked: &mut Asked) -> Result<Reader, Problem> {
    let org = asked.one("org")?;
    Ok(Reader { scope: scope(org.as_deref()), org })
}
