//! One read-only statement, for one tenant scope, inside limits; and the SQL functions that detectors are written with.
//!
//! A [`Session`] holds nothing but tables that were cut to its scope below anything a statement can name, so a statement
//! need not be trusted. There is no way to read rows without a [`TenantScope`], and none to run a statement without
//! [`Limits`].

mod barrier;
mod catalogue;
mod chain;
pub mod determinism;
mod dialect;
mod error;
pub mod format;
mod functions;
mod given;
mod ground;
mod growth;
mod information;
mod limits;
pub mod literal;
mod near;
mod order;
mod params;
mod plan_walk;
pub mod postgres;
mod public_schema;
mod scope;
mod scoped_table;
mod session;
mod statement;
mod stream;
mod tables;
mod template;
pub mod tenancy;
mod weight;
mod written_out;

pub use dialect::in_our_words;
pub use error::QueryError;
pub use functions::{Function, functions};
pub use given::Given;
pub use ground::Ground;
pub use limits::Limits;
pub use params::Params;
pub use scope::{Books, TenantScope};
pub use session::{Described, Session};
pub use statement::may_be_read;
pub use stream::QueryStream;
pub use tables::TableInfo;
