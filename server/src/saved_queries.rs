//! `/v1/queries`: statements that an org's people keep under a name, and run with values of the day.
//!
//! `GET /v1/queries` lists them, `GET`, `PUT` and `DELETE /v1/queries/{name}` show, keep and remove one, and
//! `POST /v1/queries/{name}/run` runs it as `POST /v1/sql` would, for whoever may run SQL and over what they may see. Each
//! org has names of its own, and so has the operator.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use credwatch_lake::{Lake, TableName};
use credwatch_query::{QueryError, Session, TenantScope};
use credwatch_schemas::access::Right;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::saved_query::SavedQueryRow;
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use utoipa::ToSchema;

use crate::access::{Caller, Permit};
use crate::api::Api;
use crate::book::{Book, BookError};
use crate::findings::Whose;
use crate::problem::Problem;
use crate::sql::{self, Statement, not_now};

/// Of one org.
const MOST_QUERIES: usize = 500;
const LONGEST_NAME: usize = 64;
const LONGEST_ABOUT: usize = 500;
const LONGEST_STATEMENT: usize = 64 * 1024;

/// A statement under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedQuery {
    pub name: String,
    /// The statement, with `$1` or `$name` where a value is asked for.
    pub sql: String,
    /// What it answers, in one line.
    pub about: Option<String>,
    /// Null: the operator's.
    pub org_id: Option<OrgId>,
    /// The principal that saved it last.
    pub saved_by: String,
    pub saved_time: Micros,
}

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QueryToSave)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub sql: String,
    pub about: Option<String>,
}

#[derive(Debug, Error)]
pub enum SaveError {
    #[error("a query's name is 1 to {LONGEST_NAME} letters, digits, dots, dashes and underscores")]
    Name,
    #[error("what a query is about is one line of at most {LONGEST_ABOUT} bytes")]
    About,
    #[error("a saved statement has at most {LONGEST_STATEMENT} bytes")]
    Length,
    #[error("the statement cannot be saved as it is")]
    Statement(#[from] QueryError),
    #[error("{MOST_QUERIES} queries are saved already: remove one first")]
    TooMany,
    #[error(transparent)]
    Book(#[from] BookError),
}

/// The saved queries of one scope.
#[derive(Debug, Clone)]
pub struct SavedQueries {
    book: Book<SavedQueryRow>,
    org: Option<OrgId>,
}

impl SavedQueries {
    pub fn new(lake: Lake, scope: &TenantScope) -> Self {
        let org = match scope {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org.clone()),
        };
        Self { book: Book::new(lake, TableName::SavedQueries), org }
    }

    /// By name.
    pub async fn list(&self) -> Result<Vec<SavedQuery>, BookError> {
        Ok(standing(&self.book.rows().await?, self.org.as_ref()))
    }

    pub async fn find(&self, name: &str) -> Result<Option<SavedQuery>, BookError> {
        Ok(self.list().await?.into_iter().find(|query| query.name == name))
    }

    /// Keeps a statement that the session can plan, in the place of one of that name. `by` is the principal.
    pub async fn save(
        &self,
        session: &Session,
        name: &str,
        draft: &Draft,
        by: &str,
        now: Micros,
    ) -> Result<SavedQuery, SaveError> {
        check(name, draft)?;
        session.check(&draft.sql).await?;
        let known = self.list().await?;
        if known.len() >= MOST_QUERIES && !known.iter().any(|query| query.name == name) {
            return Err(SaveError::TooMany);
        }
        let row = SavedQueryRow { sql: Some(draft.sql.clone()), about: draft.about.clone(), ..self.row(name, by, now) };
        self.book.record_and_fold(row.clone(), now, last_of_each).await?;
        Ok(SavedQuery {
            name: row.name,
            sql: draft.sql.clone(),
            about: row.about,
            org_id: row.org_id,
            saved_by: row.changed_by,
            saved_time: now,
        })
    }

    /// False where there is none of that name.
    pub async fn remove(&self, name: &str, by: &str, now: Micros) -> Result<bool, BookError> {
        if self.find(name).await?.is_none() {
            return Ok(false);
        }
        self.book.record_and_fold(self.row(name, by, now), now, last_of_each).await?;
        Ok(true)
    }

    fn row(&self, name: &str, by: &str, now: Micros) -> SavedQueryRow {
        SavedQueryRow {
            org_id: self.org.clone(),
            name: name.to_owned(),
            sql: None,
            about: None,
            changed_by: by.to_owned(),
            seq: None,
            recorded_time: now,
        }
    }
}

/// What is left of a history that has become long: of each name the last row, and nothing of those that were removed.
fn last_of_each(rows: Vec<SavedQueryRow>) -> Vec<SavedQueryRow> {
    let named = rows.into_iter().map(|row| ((row.org_id.clone(), row.name.clone()), row));
    let last: std::collections::BTreeMap<_, _> = named.collect();
    let mut last: Vec<SavedQueryRow> = last.into_values().filter(|row| row.sql.is_some()).collect();
    last.sort_by_key(|row| row.seq);
    last
}

fn check(name: &str, draft: &Draft) -> Result<(), SaveError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
        return Err(SaveError::Name);
    }
    let about = draft.about.as_deref().unwrap_or_default();
    if about.len() > LONGEST_ABOUT || about.contains(char::is_control) {
        return Err(SaveError::About);
    }
    if draft.sql.len() > LONGEST_STATEMENT { Err(SaveError::Length) } else { Ok(()) }
}

/// What rows in the order of their `seq` make together, of one owner, by name.
fn standing(rows: &[SavedQueryRow], org: Option<&OrgId>) -> Vec<SavedQuery> {
    let ours = rows.iter().filter(|row| row.org_id.as_ref() == org);
    let last: std::collections::BTreeMap<&str, &SavedQueryRow> = ours.map(|row| (row.name.as_str(), row)).collect();
    last.into_values().filter_map(saved).collect()
}

fn saved(row: &SavedQueryRow) -> Option<SavedQuery> {
    Some(SavedQuery {
        name: row.name.clone(),
        sql: row.sql.clone()?,
        about: row.about.clone(),
        org_id: row.org_id.clone(),
        saved_by: row.changed_by.clone(),
        saved_time: row.recorded_time,
    })
}

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

#[cfg(test)]
mod tests {
    use credwatch_schemas::access::Role;
    use serde_json::json;

    use super::*;
    use crate::access::Key;
    use crate::world::{Answer, World, request};

    async fn ask(world: &World, key: Option<&Key>, method: &str, path: &str, body: Option<&Value>) -> Answer {
        world.ask(request(method, path, key, body)).await
    }

    const BY_ORG: &str =
        "SELECT org_id, count(*) AS calls FROM events WHERE kind = $kind GROUP BY org_id ORDER BY org_id";

    #[tokio::test]
    async fn a_saved_query_is_run_by_its_name_over_what_its_runner_sees() {
        let world = World::new().await;
        let analyst = world.key(Role::Analyst, &["org_a"]).await;
        let (path, draft) = ("/v1/queries/by-org", json!({"sql": BY_ORG, "about": "calls of each org"}));
        for key in [None, Some(&analyst)] {
            let saved = ask(&world, key, "PUT", path, Some(&draft)).await;
            assert_eq!(saved.status, StatusCode::OK, "{}", saved.body);
        }
        let how = json!({"params": {"kind": "tool_call"}, "format": "csv"});
        let all = ask(&world, None, "POST", "/v1/queries/by-org/run", Some(&how)).await;
        assert_eq!(all.body, "org_id,calls\norg_a,2\norg_b,1\n");
        let of_a = ask(&world, Some(&analyst), "POST", "/v1/queries/by-org/run", Some(&how)).await;
        assert_eq!(of_a.body, "org_id,calls\norg_a,2\n");
    }

    #[tokio::test]
    async fn each_org_has_names_of_its_own_and_the_last_of_a_name_holds() {
        let world = World::new().await;
        let (a, b) = (world.key(Role::Analyst, &["org_a"]).await, world.key(Role::Analyst, &["org_b"]).await);
        let path = "/v1/queries/one";
        for sql in ["SELECT 1 AS one", "SELECT 2 AS one"] {
            ask(&world, Some(&a), "PUT", path, Some(&json!({"sql": sql}))).await;
        }
        assert_eq!(ask(&world, Some(&a), "GET", path, None).await.json()["sql"], "SELECT 2 AS one");
        ask(&world, Some(&b), "GET", path, None).await.is_problem(StatusCode::NOT_FOUND, "not_found");
        ask(&world, None, "DELETE", path, None).await.is_problem(StatusCode::NOT_FOUND, "not_found");
        assert_eq!(ask(&world, Some(&a), "DELETE", path, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(ask(&world, Some(&a), "GET", "/v1/queries", None).await.json(), json!({"queries": []}));
    }

    #[tokio::test]
    async fn a_history_that_has_become_long_is_folded_to_what_holds() {
        let world = World::new().await;
        let session = Session::open(&world.lake.snapshot().await.unwrap(), TenantScope::Operator, Default::default());
        let (session, queries) = (session.unwrap(), SavedQueries::new(world.lake.clone(), &TenantScope::Operator));
        for number in 0..130 {
            let draft = Draft { sql: "SELECT 1".to_owned(), about: Some(number.to_string()) };
            let name = format!("q{}", number % 3);
            queries.save(&session, &name, &draft, "operator", Micros(number)).await.unwrap();
        }
        queries.remove("q0", "operator", Micros(200)).await.unwrap();
        let left: Vec<_> = queries.list().await.unwrap().into_iter().filter_map(|query| query.about).collect();
        assert_eq!(left, ["127", "128"]);
        assert!(queries.book.rows().await.unwrap().len() < 80);
    }

    #[tokio::test]
    async fn what_could_never_be_run_is_not_saved() {
        let world = World::new().await;
        let cases = [
            ("x", json!({"sql": "SELECT * FROM nothing"}), "sql.unknown_table"),
            ("x", json!({"sql": "DROP TABLE events"}), "sql.not_read_only"),
            ("x", json!({"sql": "SELECT 1", "about": "two\nlines"}), "bad_saved_query"),
            ("a%20b", json!({"sql": "SELECT 1"}), "bad_saved_query"),
            ("x", json!({"sql": "x".repeat(70_000)}), "bad_saved_query"),
        ];
        for (name, draft, code) in cases {
            let refused = ask(&world, None, "PUT", &format!("/v1/queries/{name}"), Some(&draft)).await;
            refused.is_problem(StatusCode::BAD_REQUEST, code);
        }
        let viewer = world.key(Role::Viewer, &["org_a"]).await;
        let refused = ask(&world, Some(&viewer), "GET", "/v1/queries", None).await;
        refused.is_problem(StatusCode::FORBIDDEN, "forbidden");
        let other = json!({"sql": "SELECT 2"});
        ask(&world, None, "PUT", "/v1/queries/x", Some(&json!({"sql": "SELECT 1"}))).await;
        let refused = ask(&world, None, "POST", "/v1/queries/x/run", Some(&other)).await;
        refused.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "bad_body");
    }
}
