//! `GET` and `POST /v1/grants`, `DELETE /v1/grants/{id}`: the book of grants.
//!
//! Nobody gives more than they have: a grant reaches only orgs that its maker reaches, and only grants of those orgs are
//! listed and withdrawn.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use credwatch_schemas::access::{Right, Role};
use credwatch_schemas::ids::{GrantId, OrgId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Caller, GrantError, GrantInfo, Grants, NewGrant};
use crate::api::Api;
use crate::keys::reach;
use crate::problem::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewGrant)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    claim: String,
    value: String,
    role: Role,
    /// The orgs that it is to reach; absent or null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = GrantedId)]
pub struct Granted {
    pub grant_id: GrantId,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Grants)]
pub struct Listed {
    pub grants: Vec<GrantInfo>,
}

/// Grants a role to whoever brings a token of the issuer with that claim.
#[utoipa::path(post, path = "/v1/grants", tag = "access", request_body = Asked, responses((status = CREATED, body = Granted)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let Json(asked) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let reach = reach(asked.orgs)?;
    if !permit.reach().covers(&reach) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "a grant cannot reach further than its maker"));
    }
    let grant = NewGrant::new(&asked.claim, &asked.value, asked.role, reach);
    let grant = grant.map_err(|why| Problem::bad_request("bad_grant", why.to_string()))?;
    api.access.admit_change(&permit)?;
    let granted = Grants::new(api.lake.clone()).grant(&grant, &permit.principal(), (api.access.clock)()).await;
    let grant_id = granted.map_err(|error| away(&error))?;
    permit.says(&format!("{grant_id} {grant:?}"));
    Ok((StatusCode::CREATED, Json(Granted { grant_id })))
}

/// Grants that stand, the oldest first.
#[utoipa::path(get, path = "/v1/grants", tag = "access", responses((status = OK, body = Listed)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed>, Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let mut grants = Grants::new(api.lake.clone()).list().await.map_err(|error| away(&error))?;
    grants.retain(|grant| permit.reach().covers(&grant.reach));
    Ok(Json(Listed { grants: grants.into_iter().map(GrantInfo::from).collect() }))
}

/// It grants nothing any more, on every server within a second.
#[utoipa::path(delete, path = "/v1/grants/{id}", tag = "access", params(("id" = String, Path)), responses((status = OK, body = Granted)))]
pub(crate) async fn withdraw(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Granted>, Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let (grants, grant_id) = (Grants::new(api.lake.clone()), GrantId::new(id));
    let unknown = || Problem::not_found(format!("no grant {:?} stands", grant_id.as_str()));
    let standing = grants.list().await.map_err(|error| away(&error))?;
    let found = standing.iter().find(|grant| grant.id == grant_id);
    found.filter(|grant| permit.reach().covers(&grant.reach)).ok_or_else(unknown)?;
    let withdrawn = grants.withdraw(&grant_id, &permit.principal(), (api.access.clock)()).await;
    match withdrawn.map_err(|error| away(&error))? {
        true => Ok(Json(Granted { grant_id })),
        false => Err(unknown()),
    }
}

fn away(error: &GrantError) -> Problem {
    Problem::away("using the table of grants", error)
}
