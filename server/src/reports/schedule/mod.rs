//! Reports that come by themselves: made when their time has come, and delivered to a folder, a webhook or by mail.
//!
//! How far a schedule has come is a time, kept in the lake: whatever was due since is due still, whether credwatch ran or not,
//! and of several servers one makes it. An edition is delivered once; a week whose events are not all there yet is waited for.

mod config;
mod due;
mod parcel;
mod work;

pub use config::{Config, schedules};
pub use work::{Schedule, deliver};
