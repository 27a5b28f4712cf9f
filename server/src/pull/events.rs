//! `GET /v1/events`: stops at the end. `cursor` is always the place to go on from; `next_cursor` and the Link header
//! stand only while there is more.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use credwatch_export::Vocabulary;

use super::asked::{Asked, MOST_ROWS, bad};
use super::reader::Reader;
use super::stream::{Filter, Stream};
use super::visit::{Visit, Visited};
use super::walk::Wish;
use super::{columns, link};
use crate::api::Api;
use crate::problem::Problem;

const PATH: &str = "/v1/events";
const NDJSON: &str = "application/x-ndjson";
const PARQUET: &str = "application/vnd.apache.parquet";

/// Events in the order in which they became durable.
#[utoipa::path(get, path = "/v1/events", tag = "pull", params(("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("limit" = Option<u32>, Query, description = "Rows of a page, 1 to 1000."), ("kind" = Option<Vec<String>>, Query, description = "Only these kinds; may stand more than once."), ("since" = Option<String>, Query, description = "Begin with what became durable at that time or later: RFC 3339, or seconds."), ("wait" = Option<u32>, Query, description = "Wait up to so many seconds, 0 to 30, for something new."), ("format" = Option<String>, Query, description = "canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; the last two as lines."), ("ocsf_version" = Option<String>, Query, description = "With format=ocsf: 1.8.0, 1.5.0 or 1.3.0."), ("until" = Option<String>, Query, description = "Stop before what became durable at that time."), ("cursor" = Option<String>, Query, description = "Go on from here.")), responses((status = OK, description = "`items`, and `cursor`: where to go on from. With `accept: application/x-ndjson` lines, with `application/vnd.apache.parquet` columns, and the cursor in `x-cursor`.", content((Object = "application/json"), (String = "application/x-ndjson"), (String = "application/vnd.apache.parquet"), (String = "text/plain")))))]
pub(crate) async fn page(
    State(api): State<Api>,
    reader: Reader,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut asked = Asked::of(&uri);
    let filter = Filter { kinds: asked.kinds()?, until: asked.time("until")?, without_provisional: false };
    stopping(&api, Stream::Events, PATH, asked, reader, filter, &headers).await
}

/// The shape of a stream that stops at the end.
pub(crate) async fn stopping(
    api: &Api,
    stream: Stream,
    path: &str,
    mut asked: Asked,
    reader: Reader,
    filter: Filter,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (limit, vocabulary, wanted) = (asked.limit()?, asked.format()?, Wanted::of(headers));
    if wanted == Wanted::Columns && vocabulary != Vocabulary::Canonical {
        return Err(bad("columns are those of the canonical form: leave format out".to_owned()));
    }
    let visit = Visit {
        wish: Wish::new(stream, reader.scope(), filter, vocabulary, limit.unwrap_or(MOST_ROWS)),
        cursor: asked.one("cursor")?,
        since: asked.time("since")?,
        wait: Duration::from_secs(asked.wait()?.unwrap_or(0)),
        remembered_limit: 0,
    };
    asked.nothing_left()?;
    let visited = visit.go(api, &reader.permit).await?;
    let mut response = match wanted {
        Wanted::Columns => beside(&visited, PARQUET, columns::parquet(stream, &visited.page.rows)?),
        _ if !vocabulary.is_json() => beside(&visited, "text/plain; charset=utf-8", lines(&visited)),
        Wanted::Lines => beside(&visited, NDJSON, lines(&visited)),
        Wanted::Object => object(&visited),
    };
    if visited.page.has_more {
        let mut words = words(&visit.wish, reader.org, limit);
        words.push(("cursor", visited.cursor));
        if let Some(next) = link::next(api.pull.base(), path, &words) {
            response.headers_mut().insert(header::LINK, next);
        }
    }
    Ok(response)
}

/// Everything that a next page must say again, but for where it goes on.
pub(crate) fn words(wish: &Wish, org: Option<String>, limit: Option<usize>) -> Vec<(&'static str, String)> {
    let (filter, mut words) = (&wish.view.filter, Vec::new());
    words.extend(limit.map(|limit| ("limit", limit.to_string())));
    words.extend(filter.kinds.iter().map(|kind| ("kind", kind.clone())));
    words.extend(filter.until.map(|until| ("until", until.to_string())));
    words.extend(filter.without_provisional.then(|| ("provisional", "false".to_owned())));
    words.extend((wish.vocabulary != Default::default()).then(|| ("format", wish.vocabulary.as_str().to_owned())));
    words.extend(org.map(|org| ("org", org)));
    words
}

/// What shape a page is wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Object,
    Lines,
    Columns,
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        match accept {
            accept if accept.contains(NDJSON) => Self::Lines,
            accept if accept.contains(PARQUET) => Self::Columns,
            _ => Self::Object,
        }
    }
}

fn lines(visited: &Visited) -> Vec<u8> {
    let mut body = visited.page.items.join(&b'\n');
    if !body.is_empty() {
        body.push(b'\n');
    }
    body
}

/// Where a body has no place for it, headers say where to go on.
fn beside(visited: &Visited, kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    let told = [("x-cursor", visited.cursor.as_str()), ("x-has-more", truth(visited.page.has_more))];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn object(visited: &Visited) -> Response {
    let cursor = format!("\"{}\"", visited.cursor);
    let next = if visited.page.has_more { cursor.as_str() } else { "null" };
    let settled = visited.reach.settled_until.map_or_else(|| "null".to_owned(), |time| format!("\"{time}\""));
    let more = truth(visited.page.has_more);
    let end = format!("],\"cursor\":{cursor},\"next_cursor\":{next},\"has_more\":{more},\"settled_until\":{settled}}}");
    let body = [b"{\"items\":[".to_vec(), visited.page.items.join(&b','), end.into_bytes()].concat();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
