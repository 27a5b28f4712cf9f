//! The words that every other room uses: ids, the event, the record, the batch, the reject, the finding, the window.
//!
//! This room does no I/O, knows no clock and names no engine: it is what two rooms agree on before they talk. The
//! wire contracts `event-v1` and `finding-v1` stand here as Rust types, as Arrow schemas and, the event, as JSON Schema, and so
//! does the document of the weekly report (`schemas/wire/`); tests hold them equal.

pub mod access;
pub mod audit;
pub mod batch;
pub mod cell;
pub mod checklist;
pub mod configuration;
pub mod consumer;
pub mod event;
pub mod finding;
pub mod ids;
pub mod json_schema;
pub mod notice;
pub mod outcome;
pub mod position;
pub mod records;
pub mod reject;
pub mod report;
pub mod rows;
pub mod saved_query;
pub mod significant;
pub mod time;
pub mod weekly_report;
pub mod window;
mod words;
