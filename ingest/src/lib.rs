//! From bytes to a batch that may be committed: decode, redact, adapt, accumulate; and import, which does it for files.
//!
//! Everything but the two shells (`import`, `kafka`) is synchronous and pure: time, keys and positions are arguments.
//!
//! Promises:
//! - every record becomes at least one row, accepted or rejected with a reason from a closed list, and one bad record
//!   costs one row: its neighbours, in the same record too, do not change;
//! - no secret that rule set 1 finds leaves [`decode`], neither in an event nor in the bytes of a reject;
//! - what is read depends on the record and its binding alone, never on the order of keys, of rows or of batches.

pub mod accumulate;
mod adapter;
pub mod binding;
mod canonical;
mod cloud_event;
mod cloudtrail;
mod columns;
pub mod decode;
mod draft;
mod event_v1;
mod field;
pub mod import;
mod json;
pub mod kafka;
mod plain;
pub mod raw_record;
pub mod redact;
mod rejection;
mod special;
mod typed;

pub use accumulate::{Accumulator, ClockRule, Cut};
pub use binding::{AdapterChoice, Binding, IdentityRule};
pub use decode::{Decoder, Limits};
pub use raw_record::RawRecord;
pub use redact::key::{KeyError, RedactionKey};
