//! Arrow Flight SQL: what `POST /v1/sql` answers, for clients that take columns as columns: ADBC, and the
//! data frames that ask by it.
//!
//! Each call brings its key or token along, as over HTTP, and is looked at before its body is ([`entry`]). It passes the
//! same order of principal, scope, right, run and audit: that is [`Access::attend`](crate::access), and nothing here gives
//! rows away without it. Statements run in the
//! same sessions as those over HTTP, read-only, inside the same limits.
//!
//! The server keeps nothing between calls. What a client is given to come back with is the statement itself, so any
//! server over the same lake can go on with it, and whatever else a client makes of it is a statement like any other
//! that it could have asked.

mod accept;
mod bound;
mod catalogue;
mod entry;
mod handle;
mod plain;
mod refusal;
mod rows;
mod service;
mod socket;
mod statements;
#[cfg(test)]
mod tests;
mod values;
mod visit;

use crate::access::Door;
use crate::api::Api;

pub use accept::serve;

/// What all calls share. Cheap to clone.
#[derive(Debug, Clone)]
struct Office {
    api: Api,
    door: Door,
}
