//! Errors as RFC 9457 problem documents: a stable `code`, one public sentence, and nothing of the inside.
//!
//! The chain of causes goes to the log, once, here. A client never reads paths, other orgs' ids or plan text.

use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use credwatch_query::QueryError;
use credwatch_schemas::time::Micros;
use serde_json::json;

use crate::access::{Standing, challenge};
use crate::causes::chain;

/// What a client is told. `Problem::internal` logs the cause and keeps it from the client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Boxed, so that an outcome that is no problem is not carried around with room for them.
    headers: Box<HeaderMap>,
    more: Option<(&'static str, String)>,
}

/// The problem's code, beside its response, for whoever records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) &'static str);

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let mut headers = Box::<HeaderMap>::default();
        if status == StatusCode::UNAUTHORIZED {
            headers.extend([challenge(code)]);
        }
        Self { status, code, detail: detail.into(), headers, more: None }
    }

    /// One more member of the document, for programs.
    pub(crate) fn with(self, name: &'static str, value: String) -> Self {
        Self { more: Some((name, value)), ..self }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn internal(attempted: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(cause), "{attempted}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("{attempted} failed; the log has the cause"))
    }

    /// What is needed is not there at this moment; the cause goes to the log.
    pub(crate) fn away(attempted: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(cause), "{attempted}");
        let detail = format!("{attempted} failed; the log has the cause");
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        problem
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Says when to ask again.
    pub(crate) fn waiting(mut self, standing: Standing, now: Micros) -> Self {
        standing.tell(&mut self.headers, now);
        self.headers.insert(header::RETRY_AFTER, HeaderValue::from(standing.reset_in()));
        self
    }
}

/// A statement's own error is fit for whoever wrote it.
impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let status = match error {
            QueryError::Time(_) | QueryError::Memory(_) | QueryError::Rows(_) | QueryError::Bytes(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            QueryError::Storage => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:credwatch:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some((name, value)) = self.more {
            body[name] = value.into();
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, *self.headers, Extension(Code(self.code)), body.to_string()).into_response()
    }
}
