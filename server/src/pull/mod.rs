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
mod columns;
mod consumers;
mod cursor;
mod envelope;
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

use axum::middleware::from_fn_with_state;
use credwatch_lake::Lake;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::problem::Problem;
pub(crate) use buffer::Buffer;
pub(crate) use envelope::{Head, Wrap, bare};
pub(crate) use link::is_base;
pub(crate) use page::Page;
pub(crate) use retention::Retention;
pub(crate) use stream::{Filter, Stream};
pub(crate) use walk::{Wish, highest_seq, retention};

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

    /// None where a listener on every address was not told what it is reached by.
    pub(crate) fn known_base(&self) -> Option<&str> {
        self.base.get().map(String::as_str)
    }

    fn base(&self) -> &str {
        self.base.get().map_or("http://localhost", String::as_str)
    }
}

pub(crate) fn routes(api: &Api) -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(events::page))
        .routes(routes!(findings::page))
        .routes(routes!(logs::page))
        .routes(routes!(auditevents::page))
        .routes(routes!(windows::window))
        .routes(routes!(consumers::read, consumers::write))
        .layer(from_fn_with_state(api.clone(), sending::send))
}

#[cfg(test)]
mod tests;
