//! Why no token is given, in the words of RFC 6749, section 5.2.

use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::book::BookError;
use crate::problem::{Code, Problem};

#[derive(Debug)]
pub(super) enum Refused {
    /// What is asked makes no sense.
    Request(String),
    /// Who asks has not proven to be somebody whom we know.
    Client(String),
    GrantType,
    /// This server has no secret to make tokens with.
    NotHere,
    /// The client has too many assertions that have not ended.
    TooMany,
    /// It has nothing to do with OAuth: too often, or the keys cannot be read.
    Problem(Problem),
}

impl Refused {
    /// A key that opens nothing is the client's; anything else is ours.
    pub(super) fn client(problem: Problem) -> Self {
        match problem.status() {
            StatusCode::UNAUTHORIZED => Self::Client(problem.detail().to_owned()),
            _ => Self::Problem(problem),
        }
    }

    pub(super) fn away(error: &BookError) -> Self {
        Self::Problem(Problem::away("reading the keys", error))
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "invalid_request",
            Self::Client(_) => "invalid_client",
            Self::GrantType => "unsupported_grant_type",
            Self::NotHere => "temporarily_unavailable",
            Self::TooMany => "temporarily_unavailable",
            Self::Problem(problem) if problem.status().is_server_error() => "temporarily_unavailable",
            Self::Problem(problem) if problem.status() == StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
            Self::Problem(_) => "invalid_request",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Request(_) | Self::GrantType => StatusCode::BAD_REQUEST,
            Self::Client(_) => StatusCode::UNAUTHORIZED,
            Self::NotHere => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Problem(problem) => problem.status(),
        }
    }

    fn description(&self) -> &str {
        match self {
            Self::Request(why) | Self::Client(why) => why,
            Self::GrantType => "grant_type is client_credentials",
            Self::NotHere => "this server gives no tokens: it has no redaction key",
            Self::TooMany => "too many assertions of this key have not ended; keep a token until it does",
            Self::Problem(problem) => problem.detail(),
        }
    }
}

impl Refused {
    fn headers(&self) -> HeaderMap {
        match self {
            Self::Problem(problem) => problem.headers().clone(),
            _ => HeaderMap::new(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // The RFC allows no quotation mark and no backslash in a description.
        let description: String = self.description().chars().filter(|one| !matches!(one, '"' | '\\')).collect();
        let body = json!({"error": self.code(), "error_description": description}).to_string();
        // What a problem says in headers (when to ask again) holds here too.
        let mut response = (self.status(), Extension(Code(self.code())), self.headers(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"credwatch\""));
        }
        response
    }
}
