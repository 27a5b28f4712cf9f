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
