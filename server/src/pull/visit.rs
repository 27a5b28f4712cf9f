//! One visit of a client: where it stands, what is new, and the cursor that it takes along.

use std::time::Duration;

use axum::http::StatusCode;
use credwatch_schemas::time::Micros;
use tokio::time::Instant;

use super::cursor::{Cursor, CursorKey, Walk};
use super::news::BETWEEN_LOOKS;
use super::page::Page;
use super::start;
use super::walk::{Reach, Wish, highest_seq, retention};
use crate::access::Permit;
use crate::api::Api;
use crate::problem::Problem;

#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) wish: Wish,
    /// Where to go on; it wins over `since`.
    pub(crate) cursor: Option<String>,
    /// Where to begin; the beginning of the stream without it.
    pub(crate) since: Option<Micros>,
    /// How long to wait for news when there are none.
    pub(crate) wait: Duration,
    /// What the next cursor remembers of the rows of a page.
    pub(crate) remembered_limit: u16,
}

#[derive(Debug)]
pub(crate) struct Visited {
    pub(crate) page: Page,
    pub(crate) cursor: String,
    pub(crate) reach: Reach,
}

impl Visited {
    /// Whether the walk is at its end for good.
    pub(crate) fn is_over(&self) -> bool {
        self.reach.is_final && !self.page.has_more
    }
}

impl Visit {
    pub(crate) async fn go(&self, api: &Api, permit: &Permit) -> Result<Visited, Problem> {
        let key = api.pull.key(&api.lake).await?;
        let walk = Walk::of(self.wish.view.stream, &self.wish.view.scope, &self.wish.view.filter);
        let mut snapshot = api.snapshot(permit).await?;
        let missing = retention(&snapshot, walk.stream()).unwrap_or_default().missing;
        let mut position = match &self.cursor {
            Some(text) => followed(key, text, walk, &snapshot)?.position,
            None => self.begin(&snapshot).await?,
        };
        let deadline = Instant::now() + self.wait;
        loop {
            let reach = self.wish.reach(&snapshot).await?;
            let page = self.wish.page(&api.pull.buffer, &snapshot, position, reach.head).await?;
            position = page.position;
            let is_news = !page.items.is_empty() || page.has_more || reach.is_final;
            if is_news || Instant::now() >= deadline || api.pull.stopping.is_cancelled() {
                let limit = self.remembered_limit;
                let cursor = key.seal(&Cursor { walk, position, missing, limit });
                return Ok(Visited { page, cursor, reach });
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline.min(Instant::now() + BETWEEN_LOOKS)) => {}
                () = api.pull.stopping.cancelled() => {}
            }
            snapshot = api.pull.news.look(api, permit).await?;
        }
    }

    async fn begin(&self, snapshot: &credwatch_lake::LakeSnapshot) -> Result<i64, Problem> {
        match self.since {
            Some(since) => start::position(snapshot, self.wish.view.stream, &self.wish.view.scope, since).await,
            None => Ok(0),
        }
    }
}

/// The place of a cursor, or why it cannot be followed.
pub(crate) fn followed(
    key: &CursorKey,
    text: &str,
    walk: Walk,
    snapshot: &credwatch_lake::LakeSnapshot,
) -> Result<Cursor, Problem> {
    let cursor = opened(key, text)?;
    if cursor.walk != walk {
        return Err(mismatch());
    }
    if cursor.position > highest_seq(snapshot, walk.stream()) {
        let detail = "the lake ends before this cursor: it was put back to an earlier state";
        return Err(Problem::new(StatusCode::CONFLICT, "cursor_ahead", detail));
    }
    match retention(snapshot, walk.stream()) {
        Some(now) if now.has_lost(cursor.position, cursor.missing) => {
            let oldest = key.seal(&Cursor { missing: now.missing, ..cursor });
            let detail = "rows behind this cursor were removed; oldest_cursor goes on with what is left";
            Err(Problem::new(StatusCode::GONE, "cursor_expired", detail).with("oldest_cursor", oldest))
        }
        Some(_) | None => Ok(cursor),
    }
}

pub(crate) fn opened(key: &CursorKey, text: &str) -> Result<Cursor, Problem> {
    let unknown = || Problem::bad_request("bad_cursor", "cursor is not one that this lake gave out");
    key.open(text).ok_or_else(unknown)
}

pub(crate) fn mismatch() -> Problem {
    Problem::bad_request("cursor_mismatch", "cursor was given out for another org, stream or filter")
}
