//! The only room that listens: the HTTP API, and the background work of a server.
//!
//! Until keys exist it binds loopback only and every reader is the operator or names an org; `guard` keeps web pages
//! of the same machine out. Handlers translate and nothing else: what is asked becomes one call into `query` or
//! `detectors`, what comes back becomes JSON, and every error becomes a problem document.

pub mod answer;
pub mod api;
pub mod background;
mod cursor;
pub mod detector_status;
mod detectors;
mod findings;
mod guard;
mod health;
mod problem;
mod pull;
pub mod reading;
#[cfg(test)]
mod sample;
mod sql;
mod tenant;
