//! Notices: what reaches people by itself. Each configured route is told of the findings that it takes: one message for what
//! belongs together, at once where it is critical, in the morning where people sleep, and again where it was wrong.
//!
//! What is decided is decided in pure functions (`news`, `plan`) of the log of findings, of what was told before, and of the
//! time; a restart decides the same. What is to be said is kept in the lake before it is sent (`outbox`). Nothing that a route
//! takes is left out; a finding is told once, however often it changes its mind.

mod brief;
mod channel;
mod config;
mod heartbeat;
mod memory;
mod message;
mod news;
mod plan;
mod preview;
mod quiet;
mod rules;
mod status;
#[cfg(test)]
mod tests;
mod work;

pub use config::{Config, ConfigError, Heartbeat, Kind, QuietConfig, StartConfig, names, routes};
pub use message::Message;
pub use preview::{PreviewError, Previewed, preview};
pub(crate) use status::{__path_list, list};
pub use status::{NotificationStatus, Notifications};
pub use work::{Route, notify};
