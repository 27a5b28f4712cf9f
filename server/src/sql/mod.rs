//! `POST /v1/sql`: one read-only statement, its answer as a stream; `GET` and `DELETE /v1/sql/{query_id}`: how it goes,
//! and how to stop it.
//!
//! What goes wrong before the first rows is a problem document. What goes wrong later breaks the connection off, so
//! that half an answer is never taken for a whole one, and the statement's report says why.

mod statement;

use arrow::array::RecordBatch;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use credwatch_query::{Params, Session};
use credwatch_schemas::access::Right;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::{Caller, Permit};
use crate::answer::Answer;
use crate::api::Api;
use crate::handing_out::{Running, Unwritten, Writer, handed_out};
use crate::problem::Problem;
use crate::statements::{NotNow, Report};
pub(crate) use statement::Statement;
use statement::query_id;

/// Header of an answer that names its statement.
pub(crate) const QUERY_ID: &str = "x-query-id";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    org: Option<String>,
}

/// Runs one statement that reads.
#[utoipa::path(post, path = "/v1/sql", tag = "sql", params(Asked), request_body = Statement, responses((status = OK, description = "The rows, in the format that was asked for; `x-query-id` names the statement.", content((serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"), (Vec<u8> = "application/vnd.apache.arrow.stream"), (Vec<u8> = "application/vnd.apache.parquet")))))]
pub(crate) async fn run(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
    body: Result<Json<Statement>, JsonRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let Json(statement) =
        body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let permit = caller.within(asked.org.as_deref())?.may(Right::RunSql)?;
    answer(&api, &permit, statement).await
}

/// Runs it for somebody who may, and answers as it goes.
pub(crate) async fn answer(api: &Api, permit: &Permit, statement: Statement) -> Result<Response, Problem> {
    permit.says(&format!("{}, params: {}", statement.sql, statement.params));
    let limits = statement.limits(api.limits)?;
    let turn = api.statements.begin(query_id(statement.query_id)?, permit.principal()).map_err(not_now)?;
    let params = Params::try_from(statement.params)?;
    let session = Session::open_with(&api.snapshot(permit).await?, permit.scope().clone(), permit.books(), limits)?;
    let session = session.on(turn.ground()?);
    let stopped = turn.stopped();
    let running = Running::begin(session, turn, (&statement.sql, params), stopped, limits.time).await?;
    let shape = statement.format.shape();
    let answer = Answer::new(shape, running.rows.schema());
    let answer = answer.map_err(|error| Problem::internal("writing the answer", &error))?;
    let id = running.turn.id().to_owned();
    let headers = [(header::CONTENT_TYPE.as_str(), shape.content_type().to_owned()), (QUERY_ID, id)];
    let body = Body::from_stream(handed_out(running, answer));
    Ok((AppendHeaders(headers), body).into_response())
}

impl Writer for Answer {
    type Piece = Vec<u8>;

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Unwritten> {
        Ok(Self::batch(self, batch)?)
    }

    fn end(self) -> Result<Option<Vec<u8>>, Unwritten> {
        Ok(Some(Self::end(self)?))
    }
}

/// How far a statement of the caller's own is, or how it ended.
#[utoipa::path(get, path = "/v1/sql/{query_id}", tag = "sql", params(("query_id" = String, Path)), responses((status = OK, body = Report)))]
pub(crate) async fn report(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Report>, Problem> {
    let permit = caller.beyond_orgs(Right::RunSql)?;
    api.statements.report(&id, &permit.principal()).map(Json).ok_or_else(|| unknown(&id))
}

/// Stops a statement of the caller's own.
#[utoipa::path(delete, path = "/v1/sql/{query_id}", tag = "sql", params(("query_id" = String, Path)), responses((status = OK, body = Report)))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Report>, Problem> {
    let permit = caller.beyond_orgs(Right::RunSql)?;
    api.statements.cancel(&id, &permit.principal()).map(Json).ok_or_else(|| unknown(&id))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("this server knows no statement {id:?} of yours"))
}

pub(crate) fn cancelled() -> Problem {
    Problem::new(StatusCode::CONFLICT, "sql.cancelled", "the statement was stopped before it had an answer")
}

pub(crate) fn not_now(why: NotNow) -> Problem {
    match why {
        NotNow::TooMany => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.concurrency", "too many statements run at this moment")
        }
        NotNow::Taken => {
            Problem::new(StatusCode::CONFLICT, "query_id_taken", "a statement of that query_id runs at this moment")
        }
    }
}
