//! `/v1/queries`: `GET` lists them; `GET`, `PUT` and `DELETE /v1/queries/{name}` show, keep and remove one; `POST
//! /v1/queries/{name}/run` runs it as `POST /v1/sql` would, for whoever may run SQL and over what they may see.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use credwatch_query::Session;
use credwatch_schemas::access::Right;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::kept::{Draft, SaveError, SavedQueries, SavedQuery};
use crate::access::{Caller, Permit};
use crate::api::Api;
use crate::book::BookError;
use crate::findings::Whose;
use crate::problem::Problem;
use crate::sql::{self, Statement, not_now};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SavedQueries)]
pub struct Listed {
    pub queries: Vec<SavedQuery>,
}

type Asked = Result<Query<Whose>, QueryRejection>;

fn permit(caller: Caller, asked: Asked) -> Result<Permit, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    caller.within(asked.org.as_deref())?.may(Right::RunSql)
}

fn book(api: &Api, permit: &Permit) -> SavedQueries {
    SavedQueries::new(api.lake.clone(), permit.scope())
}

/// All that are kept, by name.
#[utoipa::path(get, path = "/v1/queries", tag = "saved queries", params(Whose), responses((status = OK, body = Listed)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, asked: Asked) -> Result<Json<Listed>, Problem> {
    let permit = permit(caller, asked)?;
    let queries = book(&api, &permit).list().await.map_err(|error| away(&error))?;
    Ok(Json(Listed { queries }))
}

/// One of them.
#[utoipa::path(get, path = "/v1/queries/{name}", tag = "saved queries", params(("name" = String, Path), Whose), responses((status = OK, body = SavedQuery)))]
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Json<SavedQuery>, Problem> {
    found(&api, &permit(caller, asked)?, &name).await.map(Json)
}

/// Keeps a statement, in the place of one of that name.
#[utoipa::path(put, path = "/v1/queries/{name}", tag = "saved queries", params(("name" = String, Path), Whose), request_body = Draft, responses((status = OK, body = SavedQuery)))]
pub(crate) async fn save(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    asked: Asked,
    body: Result<Json<Draft>, JsonRejection>,
) -> Result<Json<SavedQuery>, Problem> {
    let permit = permit(caller, asked)?;
    let Json(draft) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    permit.says(&format!("{name}: {}", draft.sql));
    api.access.admit_change(&permit)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let session =
        Session::open_with(&api.snapshot(&permit).await?, permit.scope().clone(), permit.books(), api.limits)?;
    let session = session.on(turn.ground()?);
    let (by, now) = (permit.principal(), (api.access.clock)());
    Ok(Json(book(&api, &permit).save(&session, &name, &draft, &by, now).await?))
}

/// Keeps it no longer.
#[utoipa::path(delete, path = "/v1/queries/{name}", tag = "saved queries", params(("name" = String, Path), Whose), responses((status = NO_CONTENT, description = "It is kept no longer.")))]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<StatusCode, Problem> {
    let permit = permit(caller, asked)?;
    api.access.admit_change(&permit)?;
    let removed = book(&api, &permit).remove(&name, &permit.principal(), (api.access.clock)()).await;
    match removed.map_err(|error| away(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(&name)),
    }
}

/// Runs it; the body is that of `POST /v1/sql` without `sql`.
#[utoipa::path(post, path = "/v1/queries/{name}/run", tag = "saved queries", params(("name" = String, Path), Whose), request_body = Object, responses((status = OK, description = "As `POST /v1/sql` answers.")))]
pub(crate) async fn run(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    asked: Asked,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, Problem> {
    let permit = permit(caller, asked)?;
    let Json(mut how) =
        body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let bad = |why: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_body", why);
    if how.contains_key("sql") {
        return Err(bad("the statement is the saved one: leave \"sql\" out"));
    }
    how.insert("sql".to_owned(), found(&api, &permit, &name).await?.sql.into());
    let statement: Statement = serde_json::from_value(Value::Object(how)).map_err(|error| bad(&error.to_string()))?;
    sql::answer(&api, &permit, statement).await
}

async fn found(api: &Api, permit: &Permit, name: &str) -> Result<SavedQuery, Problem> {
    let found = book(api, permit).find(name).await.map_err(|error| away(&error))?;
    found.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no query is saved as {name:?}"))
}

fn away(error: &BookError) -> Problem {
    Problem::away("using the saved queries", error)
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Statement(error) => Self::from(error),
            SaveError::Book(error) => away(&error),
            SaveError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_queries", error.to_string()),
            SaveError::Name | SaveError::About | SaveError::Length => {
                Self::bad_request("bad_saved_query", error.to_string())
            }
        }
    }
}
