//! The harness of the whole-program tests: a real Apache Kafka, the binary under test, and judges from outside.
//!
//! What is missing on the machine makes a test fail with one sentence; nothing is ever skipped in silence. Everything
//! that is started dies with the test process, also when that is killed.
#![expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]

pub mod asked;
pub mod broker;
pub mod brought;
pub mod certificates;
pub mod guarded;
pub mod oracle;
pub mod people;
pub mod program;
pub mod records;
pub mod token_endpoint;
pub mod topics;
pub mod waiting;
pub mod way;
pub mod world;
