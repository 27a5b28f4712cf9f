//! A statement as it is asked for: its text, the values of its parameters, the shape of its answer, and limits of its own.
//! Pure.

use std::time::Duration;

use credwatch_query::{Given, Limits};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::Streamed;
use crate::problem::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    pub(super) sql: String,
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!(["org_7", 3]))]
    pub(super) params: Given,
    #[serde(default)]
    pub(super) format: Format,
    /// A name to find it by while it runs, and to stop it; without one it is given one.
    pub(super) query_id: Option<String>,
    /// Limits of the statement's own, below the server's.
    timeout_ms: Option<u64>,
    max_rows: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[schema(as = AnswerFormat)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Json,
    Ndjson,
    Csv,
    Arrow,
    Parquet,
}

impl Format {
    pub(super) fn shape(self) -> Streamed {
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
    pub(super) fn limits(&self, most: Limits) -> Result<Limits, Problem> {
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

/// A name that its giver can find it by: short and plain, because it stands in a path and in headers.
pub(super) fn query_id(given: Option<String>) -> Result<String, Problem> {
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
