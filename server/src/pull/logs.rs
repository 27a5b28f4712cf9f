//! `GET /api/v1/logs`: the shape of Okta's System Log, for clients that know it. A bare array, and a next page on every
//! answer, also on an empty one: what its clients keep is the address of the next page.
//!
//! Who has read everything is answered after a while rather than at once, so that a client that follows every link does
//! not spin. With `until` the walk is bounded, and its last page has no next one.

use std::time::Duration;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, MOST_ROWS, bad};
use super::events::words;
use super::link;
use super::reader::Reader;
use super::stream::{Filter, Stream};
use super::visit::Visit;
use super::walk::Wish;
use crate::api::Api;
use crate::problem::Problem;

const PATH: &str = "/api/v1/logs";

/// How long a client waits that has read everything and does not say how long.
pub(crate) const WAIT: u64 = 10;

/// The same events in the shape of Okta's System Log.
#[utoipa::path(get, path = "/api/v1/logs", tag = "pull", params(("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("limit" = Option<u32>, Query, description = "Rows of a page, 1 to 1000."), ("kind" = Option<Vec<String>>, Query, description = "Only these kinds; may stand more than once."), ("since" = Option<String>, Query, description = "Begin with what became durable at that time or later: RFC 3339, or seconds."), ("wait" = Option<u32>, Query, description = "Wait up to so many seconds, 0 to 30, for something new."), ("format" = Option<String>, Query, description = "canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; the last two as lines."), ("ocsf_version" = Option<String>, Query, description = "With format=ocsf: 1.8.0, 1.5.0 or 1.3.0."), ("until" = Option<String>, Query, description = "Stop before what became durable at that time."), ("after" = Option<String>, Query, description = "Go on from here."), ("sortOrder" = Option<String>, Query, description = "ASCENDING.")), responses((status = OK, body = Vec<Object>, description = "The next page is the `Link` header's.")))]
pub(crate) async fn page(State(api): State<Api>, reader: Reader, uri: Uri) -> Result<Response, Problem> {
    let mut asked = Asked::of(&uri);
    let filter = Filter { kinds: asked.kinds()?, until: asked.time("until")?, without_provisional: false };
    if asked.one("sortOrder")?.is_some_and(|order| order != "ASCENDING") {
        return Err(bad("sortOrder is ASCENDING: only the order in which rows became durable never loses one".into()));
    }
    let (limit, wait) = (asked.limit()?, asked.wait()?);
    let visit = Visit {
        wish: Wish::new(Stream::Events, reader.scope(), filter, asked.format_in_json()?, limit.unwrap_or(MOST_ROWS)),
        cursor: asked.one("after")?,
        since: asked.time("since")?,
        wait: Duration::from_secs(wait.unwrap_or(WAIT)),
        remembered_limit: 0,
    };
    asked.nothing_left()?;
    let visited = visit.go(&api, &reader.permit).await?;
    let body = [b"[".to_vec(), visited.page.items.join(&b','), b"]".to_vec()].concat();
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if !visited.is_over() {
        let mut words = words(&visit.wish, reader.org, limit);
        words.extend(wait.map(|wait| ("wait", wait.to_string())));
        words.push(("after", visited.cursor));
        if let Some(next) = link::next(api.pull.base(), PATH, &words) {
            response.headers_mut().insert(header::LINK, next);
        }
    }
    Ok(response)
}
