//! How others pull: events and revisions of findings in the order of `seq`, never one lost, never one twice.
//!
//! One reading core ([`walk`]) is served in several shapes, because the clients that exist disagree on what the end of
//! data looks like: `/v1/events` and `/v1/findings/revisions` stop at the end, `/api/v1/logs` always names a next page,
//! `/api/v2/auditevents` always names a cursor. A client's state is one cursor; the server keeps none, so a restart, a
//! replica or a merge of files in the middle of a walk changes nothing.
//!
//! What a request goes through: words ([`asked`]), whose rows ([`reader`]), from where ([`cursor`], or [`start`]), how
//! far ([`walk::Reach`]), one page ([`page`]), and how it is sent ([`sending`]).
//!
//! Promises, of which the first decides the others:
//! - a page moves the cursor over exactly the rows that it holds and those that the filter leaves out;
//! - a cursor that cannot be followed is an error, never a start from somewhere else;
//! - an error names no next page, and a page is whole before its first byte is sent.

mod asked;
mod auditevents;
mod buffer;
mod consumers;
mod cursor;
mod events;
mod findings;
mod link;
mod logs;
mod news;
mod page;
mod reader;
mod retention;
mod sending;
mod span;
mod start;
mod stream;
mod visit;
mod walk;
mod windows;

use std::sync::OnceLock;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use credwatch_lake::Lake;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::problem::Problem;
pub(crate) use link::is_base;

use buffer::Buffer;
use cursor::CursorKey;
use news::News;

/// What the handlers of this module share.
#[derive(Debug, Default)]
pub(crate) struct Pull {
    key: OnceCell<CursorKey>,
    buffer: Buffer,
    news: News,
    /// Without a slash at its end.
    base: OnceLock<String>,
    /// Whoever waits for news is answered at once when the server stops.
    pub(crate) stopping: CancellationToken,
}

impl Pull {
    async fn key(&self, lake: &Lake) -> Result<&CursorKey, Problem> {
        self.key.get_or_try_init(|| CursorKey::of(lake)).await
    }

    /// What links begin with. The first word holds: the configured address, else that of the listener. Never the Host
    /// header, which whoever asks can choose.
    pub(crate) fn is_reached_at(&self, base: &str) {
        self.base.get_or_init(|| base.trim_end_matches('/').to_owned());
    }

    fn base(&self) -> &str {
        self.base.get().map_or("http://localhost", String::as_str)
    }
}

pub(crate) fn routes(api: &Api) -> Router<Api> {
    Router::new()
        .route("/v1/events", get(events::page))
        .route("/v1/findings/revisions", get(findings::page))
        .route("/api/v1/logs", get(logs::page))
        .route("/api/v2/auditevents", post(auditevents::page))
        .route("/v1/windows/{minute}", get(windows::window))
        .route("/v1/consumers/{name}/offset", get(consumers::read).put(consumers::write))
        .layer(from_fn_with_state(api.clone(), sending::send))
}

#[cfg(test)]
mod tests;
