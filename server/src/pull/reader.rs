//! Whose rows a request pulls. The one place of this module that decides it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use credwatch_query::TenantScope;
use credwatch_schemas::access::Right;

use super::asked::words;
use crate::access::{Caller, Permit};
use crate::api::Api;
use crate::problem::Problem;

/// The word of a query string that chooses an org.
pub(crate) const ORG: &str = "org";

/// Who asks, as far as reading is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) permit: Permit,
    /// The word that chose the scope: a next page must say it again.
    pub(crate) org: Option<String>,
}

/// The org that the request names, or the only one that its caller can mean.
pub(crate) fn reader(parts: &Parts) -> Result<Reader, Problem> {
    let mut named = words(&parts.uri).into_iter().filter(|(name, _)| name == ORG).map(|(_, org)| org);
    let org = named.next();
    if named.next().is_some() {
        return Err(super::asked::bad("org stands more than once".to_owned()));
    }
    let permit = Caller::of(parts)?.within(org.as_deref())?.may(Right::PullEvents)?;
    Ok(Reader { permit, org })
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        reader(parts)
    }
}

impl Reader {
    pub(crate) fn scope(&self) -> TenantScope {
        self.permit.scope().clone()
    }
}
