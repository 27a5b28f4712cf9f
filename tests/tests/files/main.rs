//! The program without a Kafka: files in, questions answered, and the API over what they made.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod conversation;
mod cookbook;
mod dashboards;
mod described;
mod import;
mod local;
mod machines;
mod monitoring;
mod notifications;
mod postgres;
mod reports;
mod sinks;
