//! `POST /api/v2/auditevents`: the shape of the 1Password Events API, for clients that know it. The body begins a walk
//! or goes on with one; the cursor is always there, and remembers how many rows a page has.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use credwatch_schemas::time::Micros;
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{Asked, MOST_ROWS, limit};
use super::logs::WAIT;
use super::reader::Reader;
use super::stream::{Filter, Stream};
use super::visit::{Visit, opened};
use super::walk::Wish;
use crate::api::Api;
use crate::problem::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AuditEventsRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    limit: Option<usize>,
    start_time: Option<Micros>,
    cursor: Option<String>,
}

/// The same events in the shape of the 1Password Events API.
#[utoipa::path(post, path = "/api/v2/auditevents", tag = "pull", params(("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("kind" = Option<Vec<String>>, Query, description = "Only these kinds; may stand more than once."), ("wait" = Option<u32>, Query, description = "Wait up to so many seconds, 0 to 30, for something new."), ("format" = Option<String>, Query, description = "canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef; the last two as lines."), ("ocsf_version" = Option<String>, Query, description = "With format=ocsf: 1.8.0, 1.5.0 or 1.3.0.")), request_body = Body, responses((status = OK, body = Object)))]
pub(crate) async fn page(
    State(api): State<Api>,
    reader: Reader,
    uri: Uri,
    body: Result<Json<Body>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let mut asked = Asked::of(&uri);
    let filter = Filter { kinds: asked.kinds()?, ..Filter::default() };
    let limit = rows(&api, &body).await?;
    let visit = Visit {
        wish: Wish::new(Stream::Events, reader.scope(), filter, asked.format_in_json()?, limit),
        cursor: body.cursor,
        since: body.start_time,
        wait: Duration::from_secs(asked.wait()?.unwrap_or(WAIT)),
        remembered_limit: u16::try_from(limit).unwrap_or(0),
    };
    asked.nothing_left()?;
    let visited = visit.go(&api, &reader.permit).await?;
    let begin = format!("{{\"cursor\":\"{}\",\"has_more\":{},\"items\":[", visited.cursor, visited.page.has_more);
    let body = [begin.into_bytes(), visited.page.items.join(&b','), b"]}".to_vec()].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What the body says, else what its cursor remembers.
async fn rows(api: &Api, body: &Body) -> Result<usize, Problem> {
    if body.limit.is_some() {
        return limit(body.limit);
    }
    let Some(text) = &body.cursor else { return Ok(MOST_ROWS) };
    let remembered = usize::from(opened(api.pull.key(&api.lake).await?, text)?.limit);
    Ok(if remembered == 0 { MOST_ROWS } else { remembered })
}
