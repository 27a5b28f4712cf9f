//! The engine that turns events into findings. A detector is a file; this room knows none of them by name.
//!
//! One tick: take a snapshot, bring rollups and ledgers to it, find what new rows made dirty, run each detector's SQL
//! over exactly that, reconcile its claims with the findings that stand, and commit the difference under a fence. The
//! same rows, configuration and end time give the same findings, however the rows arrived (`docs/ARCHITECTURE.md`).

mod bind;
mod checked;
mod claim;
pub mod configuration;
pub mod data_file;
pub mod definition;
mod dirty;
mod engine;
mod error;
mod evidence;
mod fold;
mod grains;
mod in_force;
mod judge;
mod known;
mod metrics;
mod news;
mod observe;
pub mod org_setting;
pub mod outcomes;
mod page;
mod plan;
pub mod reconcile;
mod recording;
pub mod registry;
mod remembered;
mod rows_of;
mod shared;
pub mod standing;
mod store;
pub mod stories;
mod stretch;
pub mod triage;
mod view;

pub use engine::{Ask, Engine, RunKind, Tick};
pub use error::EngineError;
pub use in_force::{Chance, InForce, Reached, Section, detectors_in_force, detectors_unread, settings_in_force};
pub use known::Pace;
pub use outcomes::outcomes;
pub use page::page;
pub use recording::{activate, change_setting, settings};
pub use registry::Registry;
pub use standing::{FindingFilter, current_findings, revisions};
