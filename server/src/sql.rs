//! `POST /v1/sql`: one read-only statement, its answer as a stream.
//!
//! What goes wrong before the first rows is a problem document. What goes wrong later breaks the connection off, so
//! that half an answer is never taken for a whole one.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use credwatch_query::{Params, QueryError, QueryStream, Session};
use datafusion::scalar::ScalarValue;
use futures::{TryStreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{AnswerText, Streamed};
use crate::api::Api;
use crate::problem::Problem;
use crate::tenant::scope;

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
}

pub(crate) async fn run(
    State(api): State<Api>,
    asked: Result<Query<Asked>, QueryRejection>,
    body: Result<Json<Statement>, JsonRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let Json(statement) =
        body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let permit = api.statements.clone().try_acquire_owned().map_err(|_| busy())?;
    let params = params(statement.params)?;
    let session = Session::open(&api.snapshot().await?, scope(asked.org.as_deref()), api.limits)?;
    let mut rows = session.run(&statement.sql, params).await?;
    let first = rows.try_next().await?;
    let shape = statement.format.shape();
    let text =
        AnswerText::new(shape, rows.schema()).map_err(|error| Problem::internal("writing the answer", &error))?;
    let running = Running { rows, text, first, ended: false, _permit: permit };
    let headers = [(header::CONTENT_TYPE, shape.format().content_type())];
    Ok((headers, Body::from_stream(stream::try_unfold(running, next_piece))).into_response())
}

/// An answer under way. It holds its place among the statements that run at once until it is written or given up.
struct Running {
    rows: QueryStream,
    text: AnswerText,
    first: Option<RecordBatch>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

async fn next_piece(mut running: Running) -> Result<Option<(Vec<u8>, Running)>, QueryError> {
    if running.ended {
        return Ok(None);
    }
    let batch = match running.first.take() {
        Some(batch) => Some(batch),
        None => {
            running.rows.try_next().await.inspect_err(|error| tracing::warn!(%error, "an answer was broken off"))?
        }
    };
    running.ended = batch.is_none();
    let piece = match &batch {
        Some(batch) => running.text.batch(batch).map_err(|error| QueryError::Failed(error.to_string()))?,
        None => running.text.end(),
    };
    Ok(Some((piece, running)))
}

fn busy() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.concurrency", "too many statements run at this moment")
}

impl Format {
    fn shape(self) -> Streamed {
        match self {
            Self::Json => Streamed::Json,
            Self::Ndjson => Streamed::Ndjson,
            Self::Csv => Streamed::Csv,
        }
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
