//! `GET /v1/findings/revisions`: every revision of every finding, the engine's and people's, in the order of its own
//! `seq`; the same contract as `/v1/events`. `provisional=false` leaves out what late events may still change.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use credwatch_schemas::access::Right;

use super::asked::{Asked, bad};
use super::events::stopping;
use super::reader::reader;
use super::stream::{Filter, Stream};
use crate::access::Caller;
use crate::api::Api;
use crate::problem::Problem;

const PATH: &str = "/v1/findings/revisions";

pub(crate) async fn page(
    State(api): State<Api>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut asked = Asked::of(&uri);
    let reader = reader(caller, Right::ReadFindings, &mut asked)?;
    if asked.one("until")?.is_some() {
        return Err(bad(
            "until is not offered here: the times of revisions are their writers', and never sealed".into()
        ));
    }
    let without_provisional = asked.flag("provisional")? == Some(false);
    let filter = Filter { without_provisional, ..Filter::default() };
    stopping(&api, Stream::Findings, PATH, asked, reader, filter, &headers).await
}
