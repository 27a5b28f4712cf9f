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
use utoipa::ToSchema;

use crate::access::{Caller, Draft, Key, KeyError, KeyInfo, Keys, Permit, PublicKey, Revoked};
use crate::api::Api;
use crate::problem::Problem;
use crate::sql::not_now;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    name: String,
    role: Role,
    /// The orgs that it is to reach; absent or null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
    /// Seconds from now; absent: it does not expire.
    expires_in: Option<u32>,
    /// PEM of the public key that its holder signs assertions for; such a key has no secret.
    public_key: Option<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CreatedKey)]
pub struct Created {
    pub key_id: KeyId,
    /// The whole key. It is shown this once; null where it is proven by a signature.
    pub key: Option<String>,
}

/// The key stays out of it.
impl std::fmt::Debug for Created {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Created").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Keys)]
pub struct Listed {
    pub keys: Vec<KeyInfo>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RevokedKey)]
pub struct Ended {
    pub key_id: KeyId,
    pub revoked_time: Micros,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Who {
    principal: String,
    name: Option<String>,
    role: Role,
    rights: &'static [Right],
    /// Null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
    /// People may have one role over some orgs and another over others; where two reach an org, the first holds.
    holdings: Vec<Held>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Held {
    role: Role,
    /// Null: every org, and rows without one.
    orgs: Option<Vec<OrgId>>,
}

/// Makes a key; it is shown this once.
#[utoipa::path(post, path = "/v1/keys", tag = "access", request_body = Asked, responses((status = CREATED, body = Created)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let Json(asked) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    api.access.admit_change(&permit)?;
    let now = (api.access.clock)();
    let public = asked.public_key.as_deref().map(PublicKey::parse).transpose();
    let public = public.map_err(|error| Problem::bad_request("bad_public_key", error.to_string()))?;
    let draft = draft(asked, &permit, now)?;
    let created = made(&Keys::new(api.lake.clone()), &draft, public, &permit.principal(), now).await;
    let created = created.map_err(|error| away(&error))?;
    permit.says(&format!("{} {draft:?}", created.key_id));
    Ok((StatusCode::CREATED, Json(created)))
}

async fn made(
    keys: &Keys,
    draft: &Draft,
    public: Option<PublicKey>,
    by: &str,
    now: Micros,
) -> Result<Created, KeyError> {
    match public {
        Some(public) => Ok(Created { key_id: keys.register(draft, &public, by, now).await?, key: None }),
        None => {
            let key = keys.create(draft, by, now).await?;
            Ok(Created { key_id: key.id(), key: Some(key.reveal()) })
        }
    }
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

/// Absent: every org.
pub(crate) fn reach(orgs: Option<Vec<OrgId>>) -> Result<Reach, Problem> {
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

/// Every key that the caller reaches, the oldest first, also revoked and expired ones.
#[utoipa::path(get, path = "/v1/keys", tag = "access", responses((status = OK, body = Listed)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed>, Problem> {
    let permit = caller.beyond_orgs(Right::ManageKeys)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let listed = Keys::new(api.lake.clone()).list(Some(turn.ground()?), api.limits).await;
    let mut keys = listed.map_err(|error| away(&error))?;
    keys.retain(|key| is_within(&permit, key));
    Ok(Json(Listed { keys }))
}

/// The key opens nothing any more, on every server within a second.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "access", params(("id" = String, Path)), responses((status = OK, body = Ended)))]
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

/// Who the caller is, and what they may.
#[utoipa::path(get, path = "/v1/whoami", tag = "access", responses((status = OK, body = Who)))]
pub(crate) async fn whoami(caller: Caller) -> Json<Who> {
    let principal = caller.principal();
    Json(Who {
        principal: principal.id(),
        name: principal.name().map(str::to_owned),
        role: principal.role(),
        rights: principal.role().rights(),
        orgs: principal.reach().orgs(),
        holdings: principal.holdings().iter().map(|one| Held { role: one.role, orgs: one.reach.orgs() }).collect(),
    })
}

fn away(error: &KeyError) -> Problem {
    Problem::away("using the table of keys", error)
}
