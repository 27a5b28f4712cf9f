//! The only room that listens: the HTTP API, and the background work of a server.
//!
//! Everything but its health stands behind the gate of `access`: nobody reads a row before it is settled who they are,
//! whose rows they mean and that they may, and nobody is answered before that is recorded. On loopback whoever brings
//! no key is the operator of the machine; `guard` keeps web pages of the same machine out. Handlers translate and
//! nothing else: what is asked becomes one call into `query` or `detectors`, what comes back becomes JSON, and every
//! error becomes a problem document.

mod accepting;
pub mod access;
pub mod answer;
pub mod api;
pub mod background;
pub mod book;
mod causes;
mod cursor;
mod delivering;
pub mod detector_status;
mod detectors;
pub mod findings;
pub mod flight_sql;
pub mod grants;
mod guard;
mod handing_out;
mod health;
pub mod keys;
pub mod listener;
mod mail;
mod measured;
pub mod notices;
pub mod openapi;
mod outbound;
mod outbox;
mod outside;
pub mod postgres;
mod problem;
mod pull;
pub mod push;
pub mod reading;
pub mod reports;
#[cfg(test)]
mod sample;
pub mod saved_queries;
mod signed_webhook;
mod sql;
mod statements;
mod triage;
pub mod who_used;
#[cfg(test)]
mod world;
