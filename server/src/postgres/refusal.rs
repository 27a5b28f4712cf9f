//! Problems in Postgres' words: the same sentence as over HTTP, with the SQLSTATE that clients act on.

use axum::http::StatusCode;
use pgwire::error::{ErrorInfo, PgWireError};

use crate::problem::Problem;

/// What a client is told. Whoever is not recognised any more is told so and is gone.
pub(super) fn refusal(problem: &Problem) -> PgWireError {
    let is_over = problem.status() == StatusCode::UNAUTHORIZED || problem.code() == "nothing_granted";
    let severity = if is_over { "FATAL" } else { "ERROR" };
    error(severity, sqlstate(problem), problem.detail())
}

/// The same for somebody who has not got in yet.
pub(super) fn fatal(problem: &Problem) -> PgWireError {
    error("FATAL", sqlstate(problem), problem.detail())
}

pub(super) fn error(severity: &str, sqlstate: &str, sentence: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new(severity.to_owned(), sqlstate.to_owned(), sentence.into())))
}

/// Names as in Postgres' table of error codes.
fn sqlstate(problem: &Problem) -> &'static str {
    match problem.code() {
        "sql.syntax" => "42601",
        "sql.unknown_table" => "42P01",
        "sql.unknown_column" => "42703",
        "sql.not_read_only" => "25006",
        "sql.invalid" | "sql.not_one_statement" => "42000",
        "sql.parameter" => "22023",
        "sql.failed" => "22000",
        "sql.too_long" | "limit.rows" | "limit.bytes" => "54000",
        "sql.cancelled" | "limit.time" => "57014",
        "limit.memory" => "53200",
        "limit.rate" | "limit.concurrency" => "53400",
        "lake.storage" => "58030",
        "tls_needed" => "28000",
        "forbidden" | "org_needed" | "nothing_granted" => "42501",
        "audit_unavailable" | "unavailable" => "57P03",
        _ if problem.status() == StatusCode::UNAUTHORIZED => "28P01",
        _ => "XX000",
    }
}
