//! Problems in gRPC's words: the same sentence as over HTTP, with the status that clients act on, and the problem's code
//! beside it.

use axum::http::StatusCode;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::problem::Problem;

/// The problem's code, among a status' metadata.
pub(super) const CODE: &str = "credwatch-code";

/// A status travels in a header, and clients bound those.
const LONGEST_SENTENCE: usize = 2_048;

pub(super) fn refusal(problem: &Problem) -> Status {
    let mut sentence = problem.detail().to_owned();
    sentence.truncate(sentence.floor_char_boundary(LONGEST_SENTENCE));
    let mut metadata = MetadataMap::new();
    metadata.insert(CODE, MetadataValue::from_static(problem.code()));
    Status::with_metadata(code(problem), sentence, metadata)
}

fn code(problem: &Problem) -> Code {
    match (problem.code(), problem.status()) {
        ("sql.cancelled", _) => Code::Cancelled,
        ("limit.time", _) => Code::DeadlineExceeded,
        (_, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::TOO_MANY_REQUESTS) => Code::ResourceExhausted,
        (_, StatusCode::UNAUTHORIZED) => Code::Unauthenticated,
        (_, StatusCode::FORBIDDEN) => Code::PermissionDenied,
        (_, StatusCode::NOT_FOUND) => Code::NotFound,
        (_, StatusCode::SERVICE_UNAVAILABLE) => Code::Unavailable,
        (_, status) if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_the_client_can_do_about_it() {
        let problem = |status: u16, code| Problem::new(StatusCode::from_u16(status).unwrap(), code, "why");
        for (status, name, expected) in [
            (401, "key_revoked", Code::Unauthenticated),
            (403, "forbidden", Code::PermissionDenied),
            (400, "sql.syntax", Code::InvalidArgument),
            (409, "sql.cancelled", Code::Cancelled),
            (422, "limit.time", Code::DeadlineExceeded),
            (422, "limit.memory", Code::ResourceExhausted),
            (429, "limit.rate", Code::ResourceExhausted),
            (503, "audit_unavailable", Code::Unavailable),
            (500, "internal", Code::Internal),
        ] {
            let status = refusal(&problem(status, name));
            assert_eq!((status.code(), status.message()), (expected, "why"), "{name}");
            assert_eq!(status.metadata().get(CODE).unwrap(), name);
        }
    }

    #[test]
    fn a_sentence_as_long_as_a_statement_fits_into_a_header() {
        let long = Problem::bad_request("sql.invalid", "ä".repeat(100_000));
        assert_eq!(refusal(&long).message().len(), LONGEST_SENTENCE);
    }
}
