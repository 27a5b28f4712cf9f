//! Whose rows a request pulls. The one place of this module that decides it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use credwatch_query::TenantScope;

use super::asked::words;
use crate::api::Api;
use crate::problem::Problem;
use crate::tenant::scope;

/// The word of a query string that chooses an org.
pub(crate) const ORG: &str = "org";

/// Who asks, as far as reading is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) scope: TenantScope,
    /// The word that chose the scope: a next page must say it again.
    pub(crate) org: Option<String>,
}

/// Until keys exist it is the org that the request names, or the operator of this machine.
pub(crate) fn reader(parts: &Parts) -> Result<Reader, Problem> {
    let mut named = words(&parts.uri).into_iter().filter(|(name, _)| name == ORG).map(|(_, org)| org);
    let org = named.next();
    if named.next().is_some() {
        return Err(super::asked::bad("org stands more than once".to_owned()));
    }
    Ok(Reader { scope: scope(org.as_deref()), org })
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        reader(parts)
    }
}

impl Reader {
    /// Tells readers apart whose requests are counted.
    pub(crate) fn name(&self) -> &str {
        match &self.scope {
            TenantScope::Operator => "",
            TenantScope::Org(org) => org.as_str(),
        }
    }
}
