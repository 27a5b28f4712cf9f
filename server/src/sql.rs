//! `POST /v1/sql`: one read-only statement, its answer as a stream; `GET` and `DELETE /v1/sql/{query_id}`: how it goes,
//! and how to stop it.
//!
//! What goes wrong before the first rows is a problem document. What goes wrong later breaks the connection off, so
//! that half an answer is never taken for a whole one, and the statement's report says why.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use credwatch_query::{Limits, Params, QueryError, QueryStream, Session};
use credwatch_schemas::access::Right;
use datafusion::scalar::ScalarValue;
use futures::{TryStreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::access::Caller;
use crate::answer::{Answer as AnswerPieces, Streamed};
use crate::api::Api;
use crate::problem::Problem;
use crate::statements::{Ended, NotNow, Report, Turn};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    org: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    sql: String,
    #[serde(default)]
    params: Given,
    #[serde(default)]
    format: Format,
    /// A name to find it by while it runs, and to stop it; without one it is given one.
    query_id: Option<String>,
    /// Limits of the statement's own, below the server's.
    timeout_ms: Option<u64>,
    max_rows: Option<usize>,
}

/// Values for `$1`, `$2`, ... or for `$name`.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Given {
    #[default]
    None,
    Positional(Vec<Value>),
    Named(BTreeMap<String, Value>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Ndjson,
    Csv,
    Arrow,
    Parquet,
}

/// As the audit tells them.
impl std::fmt::Display for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::Positional(values) => write!(out, "{}", Value::from(values.clone())),
            Self::Named(values) => write!(out, "{}", serde_json::json!(values)),
        }
    }
}

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
    permit.says(&format!("{}, params: {}", statement.sql, statement.params));
    let limits = statement.limits(api.limits)?;
    let turn = api.statements.begin(query_id(statement.query_id)?, permit.principal()).map_err(not_now)?;
    let params = params(statement.params)?;
    let session = Session::open_with(&api.snapshot(&permit).await?, permit.scope().clone(), permit.books(), limits)?;
    let begun = tokio::select! {
        begun = begin(&session, &statement.sql, params) => begun,
        () = turn.cancelled() => return Err(cancelled()),
    };
    let (rows, first) = begun.inspect_err(|error| turn.end(Ended::Failed(error.to_string())))?;
    let shape = statement.format.shape();
    let answer = AnswerPieces::new(shape, rows.schema());
    let answer = Some(answer.map_err(|error| Problem::internal("writing the answer", &error))?);
    let headers =
        [(header::CONTENT_TYPE.as_str(), shape.content_type().to_owned()), ("x-query-id", turn.id().to_owned())];
    let deadline = Instant::now() + limits.time;
    let body = streamed(Running { rows, answer, first, turn }, deadline);
    Ok((AppendHeaders(headers), body).into_response())
}

/// A name that its giver can find it by: short and plain, because it stands in a path and in headers.
fn query_id(given: Option<String>) -> Result<String, Problem> {
    let is_plain = |id: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !id.is_empty() && id.len() <= 64 && id.bytes().all(plain)
    };
    match given {
        None => Ok(uuid::Uuid::new_v4().simple().to_string()),
        Some(id) if is_plain(&id) => Ok(id),
        Some(_) => Err(Problem::bad_request("bad_query_id", "query_id is at most 64 letters, digits, - and _")),
    }
}

async fn begin(session: &Session, sql: &str, params: Params) -> Result<(QueryStream, Option<RecordBatch>), QueryError> {
    let mut rows = session.run(sql, params).await?;
    let first = rows.try_next().await?;
    Ok((rows, first))
}

/// What goes from an answer's own task to the connection.
enum Sent {
    Piece(Vec<u8>),
    BrokenOff(BrokenOff),
    /// The answer is whole. Without it the connection is broken off.
    End,
}

/// The answer is made in a task of its own: a client that does not read holds its place only until the deadline.
fn streamed(running: Running, deadline: Instant) -> Body {
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(make(running, pieces, deadline));
    Body::from_stream(stream::unfold(Some(received), |received| async {
        let mut received = received?;
        match received.recv().await {
            Some(Sent::Piece(piece)) => Some((Ok(piece), Some(received))),
            Some(Sent::BrokenOff(why)) => Some((Err(why), None)),
            Some(Sent::End) => None,
            None => Some((Err(BrokenOff("it was not read in time".to_owned())), None)),
        }
    }))
}

async fn make(mut running: Running, pieces: mpsc::Sender<Sent>, deadline: Instant) {
    loop {
        let cancelled = running.turn.cancelled();
        let sent = match next_piece(running).await {
            Ok(None) => return drop(pieces.send(Sent::End).await),
            Err(why) => return drop(pieces.send(Sent::BrokenOff(why)).await),
            Ok(Some((piece, next))) => {
                running = next;
                pieces.send(Sent::Piece(piece))
            }
        };
        tokio::select! {
            sent = sent => if sent.is_err() { return },
            () = cancelled => return,
            () = sleep_until(deadline) => return running.turn.end(Ended::Failed("it was not read in time".to_owned())),
        }
    }
}

/// An answer under way. It holds its turn until it is written or given up.
struct Running {
    rows: QueryStream,
    /// Gone once the end was written.
    answer: Option<AnswerPieces>,
    first: Option<RecordBatch>,
    turn: Turn,
}

async fn next_piece(mut running: Running) -> Result<Option<(Vec<u8>, Running)>, BrokenOff> {
    let Some(mut answer) = running.answer.take() else { return Ok(None) };
    let batch = match running.first.take() {
        Some(batch) => Some(batch),
        None => next_batch(&mut running).await?,
    };
    running.turn.handed_out(running.rows.rows(), running.rows.bytes_scanned());
    let piece = match &batch {
        Some(batch) => answer.batch(batch),
        None => {
            let last = answer.end().map_err(|error| broken_off(&running.turn, error.to_string()))?;
            running.turn.end(Ended::Finished);
            return Ok(Some((last, running)));
        }
    };
    let piece = piece.map_err(|error| broken_off(&running.turn, error.to_string()))?;
    running.answer = Some(answer);
    Ok(Some((piece, running)))
}

async fn next_batch(running: &mut Running) -> Result<Option<RecordBatch>, BrokenOff> {
    let next = tokio::select! {
        next = running.rows.try_next() => next,
        () = running.turn.cancelled() => return Err(broken_off(&running.turn, "it was stopped".to_owned())),
    };
    next.map_err(|error| broken_off(&running.turn, error.to_string()))
}

/// An answer that cannot go on. The connection is broken off, and `GET /v1/sql/{query_id}` says why.
#[derive(Debug, Error)]
#[error("the answer was broken off: {0}")]
struct BrokenOff(String);

fn broken_off(turn: &Turn, why: String) -> BrokenOff {
    tracing::warn!(query_id = turn.id(), why, "an answer was broken off");
    turn.end(Ended::Failed(why.clone()));
    BrokenOff(why)
}

/// `GET /v1/sql/{query_id}`: how far a statement of the caller's own is, or how it ended.
pub(crate) async fn report(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Report>, Problem> {
    let permit = caller.beyond_orgs(Right::RunSql)?;
    api.statements.report(&id, &permit.principal()).map(Json).ok_or_else(|| unknown(&id))
}

/// `DELETE /v1/sql/{query_id}`: stops a statement of the caller's own.
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

fn cancelled() -> Problem {
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

impl Format {
    fn shape(self) -> Streamed {
        match self {
            Self::Json => Streamed::Json,
            Self::Ndjson => Streamed::Ndjson,
            Self::Csv => Streamed::Csv,
            Self::Arrow => Streamed::Arrow,
            Self::Parquet => Streamed::Parquet,
        }
    }
}

impl Statement {
    /// What was asked for where it is less than what may be had; more is refused, so that nobody takes a cut for a whole.
    fn limits(&self, most: Limits) -> Result<Limits, Problem> {
        let most_ms = u64::try_from(most.time.as_millis()).unwrap_or(u64::MAX);
        let refused = |what: &str, most: u64| Err(Problem::bad_request("bad_limit", format!("{what} is 1 to {most}")));
        let mut limits = most;
        match self.timeout_ms {
            Some(0) => return refused("timeout_ms", most_ms),
            Some(ms) if ms > most_ms => return refused("timeout_ms", most_ms),
            Some(ms) => limits.time = Duration::from_millis(ms),
            None => {}
        }
        match self.max_rows {
            Some(0) => return refused("max_rows", most.rows as u64),
            Some(rows) if rows > most.rows => return refused("max_rows", most.rows as u64),
            Some(rows) => limits.rows = rows,
            None => {}
        }
        Ok(limits)
    }
}

fn params(given: Given) -> Result<Params, Problem> {
    match given {
        Given::None => Ok(Params::None),
        Given::Positional(values) if values.is_empty() => Ok(Params::None),
        Given::Positional(values) => {
            let numbered = values.into_iter().enumerate();
            let scalars = numbered.map(|(place, value)| scalar(&(place + 1).to_string(), value));
            Ok(Params::Positional(scalars.collect::<Result<_, _>>()?))
        }
        Given::Named(values) => {
            let scalars = values.into_iter().map(|(name, value)| scalar(&name, value).map(|scalar| (name, scalar)));
            Ok(Params::Named(scalars.collect::<Result<_, _>>()?))
        }
    }
}

fn scalar(name: &str, value: Value) -> Result<ScalarValue, Problem> {
    let refused = |what: &str| Err(Problem::bad_request("sql.parameter", format!("parameter ${name} is {what}")));
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::Boolean(Some(value))),
        Value::String(value) => Ok(ScalarValue::Utf8(Some(value))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(ScalarValue::Int64(Some(integer))),
            (None, Some(float)) if number.is_f64() => Ok(ScalarValue::Float64(Some(float))),
            _ => refused("a number beyond 64 bits"),
        },
        Value::Array(_) | Value::Object(_) => refused("neither text nor number, boolean or null"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(params: Value) -> Result<Params, Problem> {
        super::params(serde_json::from_value(params).unwrap())
    }

    #[test]
    fn values_keep_their_types() {
        let expected = vec![
            ScalarValue::Int64(Some(7)),
            ScalarValue::Float64(Some(0.5)),
            ScalarValue::Utf8(Some("x".into())),
            ScalarValue::Boolean(Some(true)),
            ScalarValue::Null,
        ];
        assert_eq!(read(json!([7, 0.5, "x", true, null])).unwrap(), Params::Positional(expected));
        let named = BTreeMap::from([("org".to_owned(), ScalarValue::Utf8(Some("a".into())))]);
        assert_eq!(read(json!({"org": "a"})).unwrap(), Params::Named(named));
    }

    #[test]
    fn what_is_no_single_value_is_refused() {
        for bad in [json!([[1]]), json!([{"a": 1}]), json!([u64::MAX])] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
