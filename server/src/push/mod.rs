//! Rows that are sent rather than fetched: each configured sink gets every row of its stream, in the order in which they
//! became durable, at least once.
//!
//! A sink's place is kept in the lake and moves only after the other side has said that it has the rows. What is not
//! taken is tried again, for as long as it takes; nothing is left out to get past it but by somebody's word (`export
//! skip`). A sink that fails holds nobody else up, and shows in the metrics, in `GET /v1/sinks` and in the log.

mod config;
mod destination;
mod forward;
mod place;
mod status;

pub use config::{Config, ConfigError, forwarders};
pub use forward::{Forwarder, forward};
pub use place::Skipped;
pub(crate) use status::__path_list;
pub(crate) use status::list;
pub use status::{SinkStatus, Sinks};

#[cfg(test)]
mod tests;
