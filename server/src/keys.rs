//! `POST /v1/keys`, `GET /v1/keys`, `DELETE /v1/keys/{id}`: the book of keys, and `GET /v1/whoami`: what a key is good for.
//!
//! Nobody gives more than they have: a key reaches only orgs that its maker reaches, and only keys of those orgs are
//! listed and revoked.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use credwatch_schemas::access::{Reach, Right, Role};
use credwatch_schemas::ids::{KeyId, OrgId};
use credwatch_schemas::time::{Micros, SECOND};
use serde::{Deserialize, Serialize};

use crate::access::{Caller, Draft, Key, KeyError, KeyInfo, Keys, Permit, Revoked};
use crate::api::Api;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    name: String,
    role: Role,
    /// The orgs that it is to reach; absent or null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
    /// Seconds from now; absent: it does not expire.
    expires_in: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub struct Created {
    pub key_id: KeyId,
    /// The whole key. It is shown this once.
    pub key: String,
}

/// The key stays out of it.
impl std::fmt::Debug for Created {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Created").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    pub keys: Vec<KeyInfo>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    pub key_id: KeyId,
    pub revoked_time: Micros,
}

#[derive(Debug, Serialize)]
pub(crate) struct Who {
    principal: String,
    name: Option<String>,
    role: Role,
    rights: &'static [Right],
    /// Null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
}

pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let Json(asked) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let now = (api.access.clock)();
    let draft = draft(asked, &permit, now)?;
    let key =
        Keys::new(api.lake.clone()).create(&draft, &permit.principal(), now).await.map_err(|error| away(&error))?;
    permit.says(&format!("{} {draft:?}", key.id()));
    Ok((StatusCode::CREATED, Json(Created { key_id: key.id(), key: key.reveal() })))
}

fn draft(asked: Asked, permit: &Permit, now: Micros) -> Result<Draft, Problem> {
    let reach = reach(asked.orgs)?;
    if !permit.reach().covers(&reach) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "a key cannot reach further than its maker"));
    }
    let name = name(&asked.name)?;
    let expires_time = asked.expires_in.map(|seconds| now.plus(i64::from(seconds) * SECOND));
    Ok(Draft { name, role: asked.role, reach, expires_time })
}

fn reach(orgs: Option<Vec<OrgId>>) -> Result<Reach, Problem> {
    match orgs {
        None => Ok(Reach::Operator),
        Some(orgs) if orgs.is_empty() || orgs.iter().any(|org| org.as_str().trim().is_empty()) => {
            Err(Problem::bad_request("bad_orgs", "orgs is a list of ids, or absent for every org"))
        }
        Some(orgs) => Ok(Reach::Orgs(orgs.into_iter().collect())),
    }
}

fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.len() > 200 || text.contains(char::is_control) {
        return Err(Problem::bad_request("bad_name", "name is one line of at most 200 bytes"));
    }
    Ok(text.to_owned())
}

pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed>, Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let mut keys = Keys::new(api.lake.clone()).list().await.map_err(|error| away(&error))?;
    keys.retain(|key| is_within(&permit, key));
    Ok(Json(Listed { keys }))
}

pub(crate) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Ended>, Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let (keys, now, key_id) = (Keys::new(api.lake.clone()), (api.access.clock)(), Key::id_in(&id));
    let unknown = || Problem::not_found(format!("there is no key {:?}", key_id.as_str()));
    let holder = keys.find(&key_id).await.map_err(|error| away(&error))?.ok_or_else(unknown)?;
    if !permit.reach().covers(&holder.reach) {
        return Err(unknown());
    }
    match keys.revoke(&key_id, &permit.principal(), now).await.map_err(|error| away(&error))? {
        Revoked::Now => Ok(Json(Ended { key_id, revoked_time: now })),
        Revoked::Before(revoked_time) => Ok(Json(Ended { key_id, revoked_time })),
        Revoked::Unknown => Err(unknown()),
    }
}

fn is_within(permit: &Permit, key: &KeyInfo) -> bool {
    let reach = match &key.orgs {
        None => Reach::Operator,
        Some(orgs) => Reach::Orgs(orgs.iter().cloned().collect()),
    };
    permit.reach().covers(&reach)
}

pub(crate) async fn whoami(caller: Caller) -> Json<Who> {
    let principal = caller.principal();
    Json(Who {
        principal: principal.id(),
        name: principal.name().map(str::to_owned),
        role: principal.role(),
        rights: principal.role().rights(),
        orgs: match principal.reach() {
            Reach::Operator => None,
            Reach::Orgs(orgs) => Some(orgs.iter().cloned().collect()),
        },
    })
}

fn away(error: &KeyError) -> Problem {
    Problem::away("using the table of keys", error)
}
