//! `GET /v1/who-used/{id}`: everybody who used one token, connection or credential: who, when, from where, what for.
//!
//! "14,000 calls from one address" becomes a readable table: one row for each agent, person, address, host and operation,
//! the busiest first. The command line reads it here too.

use arrow::array::RecordBatch;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Params, QueryError, Session};
use credwatch_schemas::access::Right;

use crate::access::Caller;
use crate::api::Api;
use crate::findings::Whose;
use crate::problem::Problem;
use crate::sql::not_now;

/// The statement; `$1` is a token's or refresh token's fingerprint, a connection or a credential.
pub const STATEMENT: &str = "\
SELECT count(*) AS calls,
       sum(CASE WHEN outcome = 'success' THEN 0 ELSE 1 END) AS not_successful,
       min(time) AS first_time, max(time) AS last_time,
       agent_id, user_id, src_ip, kind, dest_host, operation, connection_id, org_id, count(DISTINCT task_id) AS tasks
FROM events
WHERE token_fp = $1 OR refresh_token_fp = $1 OR connection_id = $1 OR credential_id = $1
GROUP BY agent_id, user_id, src_ip, kind, dest_host, operation, connection_id, org_id
ORDER BY calls DESC, first_time, agent_id, user_id, src_ip, kind, dest_host, operation, connection_id, org_id
LIMIT 1000";

/// Runs it as the session's scope sees the events.
pub async fn who_used(session: &Session, id: &str) -> Result<Vec<RecordBatch>, QueryError> {
    session.run(STATEMENT, Params::texts([id])).await?.collect().await
}

/// A row for each agent, person, address, host and operation that used it, the busiest first; empty where nobody did.
#[utoipa::path(get, path = "/v1/who-used/{id}", tag = "sql", params(("id" = String, Path, description = "A token's fingerprint, a connection or a credential."), Whose), responses((status = OK, body = Vec<Object>)))]
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(whose) = whose.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let permit = caller.within(whose.org.as_deref())?.may(Right::RunSql)?;
    let turn = api.statements.begin(uuid::Uuid::new_v4().simple().to_string(), permit.principal()).map_err(not_now)?;
    let session = Session::open(&api.snapshot(&permit).await?, permit.scope().clone(), api.limits)?.on(turn.ground()?);
    let rows = who_used(&session, &id).await?;
    let written = match rows.first() {
        Some(first) => write(OutputFormat::Json, &first.schema(), &rows),
        None => Ok(b"[]\n".to_vec()),
    };
    let body = written.map_err(|error| Problem::internal("writing the answer", &error))?;
    Ok(([(header::CONTENT_TYPE, OutputFormat::Json.content_type())], body).into_response())
}
