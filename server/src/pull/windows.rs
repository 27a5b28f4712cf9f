//! `GET /v1/windows/{minute}`: everything that became durable in one minute, for clients that keep no state.
//!
//! It is answered only once the minute is sealed, and then never changes, so it has a strong ETag. A minute is whole or
//! an error: a client that cannot follow pages must not take a part for the whole. What such a client misses between
//! two of its visits it misses; it gets everything at least once only within the minutes that it asks for.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use credwatch_lake::LakeSnapshot;
use credwatch_schemas::time::{MINUTE, Micros};
use sha2::{Digest, Sha256};

use super::asked::{Asked, MOST_ROWS, bad};
use super::link;
use super::reader::Reader;
use super::start;
use super::stream::{Filter, Stream};
use super::walk::{Wish, retention, sealed_before};
use crate::api::Api;
use crate::problem::Problem;

/// Of a whole minute, as it is written.
const MOST_BYTES: usize = 32 << 20;

/// Everything that became durable in one minute, once that minute can no longer change.
#[utoipa::path(get, path = "/v1/windows/{minute}", tag = "pull", params(("minute" = String, Path, description = "Such as 2026-06-01T09:14Z."), ("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("kind" = Option<Vec<String>>, Query, description = "Only these kinds; may stand more than once."), ("format" = Option<String>, Query, description = "canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; the last two as lines."), ("ocsf_version" = Option<String>, Query, description = "With format=ocsf: 1.8.0, 1.5.0 or 1.3.0.")), responses((status = OK, body = Vec<Object>), (status = NOT_MODIFIED, description = "It is what `if-none-match` says.")))]
pub(crate) async fn window(
    State(api): State<Api>,
    Path(minute): Path<String>,
    reader: Reader,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = parse(&minute).ok_or_else(|| bad("a window is a minute such as 2026-06-01T09:14Z".to_owned()))?;
    let end = begin.plus(MINUTE);
    let mut asked = Asked::of(&uri);
    let filter = Filter { kinds: asked.kinds()?, until: Some(end), without_provisional: false };
    let wish = Wish::new(Stream::Events, reader.scope(), filter, asked.format_in_json()?, usize::MAX);
    asked.nothing_left()?;
    let snapshot = api.snapshot(&reader.permit).await?;
    if sealed_before(&snapshot).is_none_or(|settled| settled < end) {
        return Ok(too_early(end, (api.access.clock)()));
    }
    let first = start::position(&snapshot, Stream::Events, &wish.view.scope, begin).await?;
    if retention(&snapshot, Stream::Events).is_some_and(|now| now.has_lost(first, 0)) {
        let detail = "rows of this minute, or of a time after it, were removed";
        return Err(Problem::new(StatusCode::GONE, "window_expired", detail));
    }
    let Some(items) = whole(&api, &wish, &snapshot, first).await? else {
        let words = [("since", begin.to_string()), ("until", end.to_string())];
        let paged = link::address(api.pull.base(), "/v1/events", &words);
        let detail = format!("the minute has more than {MOST_BYTES} bytes; read it page by page: {paged}");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "window_too_large", detail));
    };
    Ok(answer(&[b"[".to_vec(), items.join(&b','), b"]".to_vec()].concat(), &headers))
}

/// `None` when it is too large to be one answer.
async fn whole(api: &Api, wish: &Wish, snapshot: &LakeSnapshot, first: i64) -> Result<Option<Vec<Vec<u8>>>, Problem> {
    let reach = wish.reach(snapshot).await?;
    let wish = Wish { limit: MOST_ROWS, ..wish.clone() };
    let (mut items, mut bytes, mut position): (Vec<Vec<u8>>, usize, i64) = (Vec::new(), 0, first);
    while position < reach.head {
        let page = wish.page(&api.pull.buffer, snapshot, position, reach.head).await?;
        position = page.position;
        bytes += page.items.iter().map(|item| item.len() + 1).sum::<usize>();
        if bytes > MOST_BYTES {
            return Ok(None);
        }
        items.extend(page.items);
    }
    Ok(Some(items))
}

fn answer(body: &[u8], headers: &HeaderMap) -> Response {
    let hash = hex::encode(&Sha256::digest(body)[..16]);
    let tag = format!("\"{hash}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| base_tag(one) == hash));
    let kept = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
    ];
    if is_known { (StatusCode::NOT_MODIFIED, kept).into_response() } else { (kept, body.to_vec()).into_response() }
}

/// A tag without its quotes and the name of the coding that it was sent in.
fn base_tag(tag: &str) -> &str {
    let tag = tag.trim().trim_matches('"');
    tag.split_once('-').map_or(tag, |(base, _)| base)
}

fn too_early(end: Micros, now: Micros) -> Response {
    let early =
        Problem::new(StatusCode::TOO_EARLY, "not_sealed", "the minute is not over yet for everybody who writes");
    let seconds = end.0.saturating_sub(now.0).div_euclid(1_000_000).clamp(1, 3_600);
    let mut response = early.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// `2026-06-01T09:14Z`, or the same with seconds that are nothing.
fn parse(text: &str) -> Option<Micros> {
    let with_seconds = text.strip_suffix('Z').map(|minute| format!("{minute}:00Z"));
    let time = Micros::parse(text).or_else(|| with_seconds.as_deref().and_then(Micros::parse))?;
    (time.0.rem_euclid(MINUTE) == 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_named_with_or_without_its_seconds_and_nothing_else_is_one() {
        let minute = Micros::parse("2026-06-01T09:14:00Z");
        assert_eq!(parse("2026-06-01T09:14Z"), minute);
        assert_eq!(parse("2026-06-01T09:14:00Z"), minute);
        for text in ["2026-06-01T09:14:01Z", "2026-06-01", "now", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
