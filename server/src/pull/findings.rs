//! `GET /v1/findings/revisions`: every revision of every finding, the engine's and people's, in the order of its own
//! `seq`; the same contract as `/v1/events`. `provisional=false` leaves out what late events may still change.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::asked::{Asked, bad};
use super::events::stopping;
use super::reader::Reader;
use super::stream::{Filter, Stream};
use crate::api::Api;
use crate::problem::Problem;

const PATH: &str = "/v1/findings/revisions";

/// Every revision of every finding, in the order in which they became durable.
#[utoipa::path(get, path = "/v1/findings/revisions", tag = "pull", params(("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("limit" = Option<u32>, Query, description = "Rows of a page, 1 to 1000."), ("since" = Option<String>, Query, description = "Begin with what became durable at that time or later: RFC 3339, or seconds."), ("wait" = Option<u32>, Query, description = "Wait up to so many seconds, 0 to 30, for something new."), ("format" = Option<String>, Query, description = "canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; the last two as lines."), ("ocsf_version" = Option<String>, Query, description = "With format=ocsf: 1.8.0, 1.5.0 or 1.3.0."), ("cursor" = Option<String>, Query, description = "Go on from here."), ("provisional" = Option<bool>, Query, description = "false leaves out what late events may still change.")), responses((status = OK, description = "`items`, and `cursor`: where to go on from. With `accept: application/x-ndjson` lines, with `application/vnd.apache.parquet` columns, and the cursor in `x-cursor`.", content((Object = "application/json"), (String = "application/x-ndjson"), (String = "application/vnd.apache.parquet"), (String = "text/plain")))))]
pub(crate) async fn page(
    State(api): State<Api>,
    reader: Reader,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut asked = Asked::of(&uri);
    if asked.one("until")?.is_some() {
        return Err(bad(
            "until is not offered here: the times of revisions are their writers', and never sealed".into()
        ));
    }
    let without_provisional = asked.flag("provisional")? == Some(false);
    let filter = Filter { without_provisional, ..Filter::default() };
    stopping(&api, Stream::Findings, PATH, asked, reader, filter, &headers).await
}
