//! Postgres' wire protocol: what `POST /v1/sql` answers, for psql, drivers and dashboards that speak Postgres.
//!
//! The user is a key's id and the password the key, proven by SCRAM-SHA-256 and never sent; or the user is `token` and the password
//! one. The database names the org,
//! or is `credwatch` for whatever the key reaches. Statements run in the same sessions as those over HTTP, one snapshot
//! each, read-only, inside the same limits, and pass the same order of principal, scope, right, run and audit: all of
//! that is [`Access::attend`](crate::access), and nothing here gives rows away without it.
//!
//! The loop that reads messages is our own: the library's goes on reading after a client could not prove itself, lets
//! bytes from before TLS count as sent within, and buffers a gigabyte for whoever announces it.

mod accept;
mod bounded;
mod cancel;
mod command;
mod connection;
mod entry;
mod handlers;
mod kept;
mod negotiation;
mod prepared;
mod refusal;
mod rows;
mod settings;
mod talk;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::access::Door;
use crate::api::Api;
use cancel::Cancels;

pub use accept::serve;

/// The database that stands for whatever a key reaches.
const WHATEVER_IS_REACHED: &str = "credwatch";

/// What all connections share. Cheap to clone.
#[derive(Debug, Clone)]
struct Office {
    api: Api,
    door: Door,
    cancels: Arc<Cancels>,
    /// Whether only TLS will do.
    asks_for_tls: bool,
}
