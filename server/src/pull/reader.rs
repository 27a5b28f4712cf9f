//! Whose rows a request pulls. The one place of this module that decides it.

use credwatch_query::TenantScope;
use credwatch_schemas::access::Right;

use super::asked::Asked;
use crate::access::{Caller, Permit};
use crate::problem::Problem;

/// Who asks, as far as reading is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) permit: Permit,
    /// The word that chose the scope: a next page must say it again.
    pub(crate) org: Option<String>,
}

/// The org that the request names, or the only one that its caller can mean.
pub(crate) fn reader(caller: Caller, right: Right, asked: &mut Asked) -> Result<Reader, Problem> {
    let org = asked.one("org")?;
    let permit = caller.within(org.as_deref())?.may(right)?;
    Ok(Reader { permit, org })
}

impl Reader {
    pub(crate) fn scope(&self) -> TenantScope {
        self.permit.scope().clone()
    }
}
