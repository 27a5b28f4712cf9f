//! The lake on a real folder: what is promised about appending, changing, compacting and cleaning up holds for files
//! and for what independent readers see of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "on_disk/access.rs"]
mod access;
#[path = "on_disk/appending.rs"]
mod appending;
#[path = "on_disk/changing.rs"]
mod changing;
#[path = "on_disk/compacting.rs"]
mod compacting;
#[path = "on_disk/maintaining.rs"]
mod maintaining;
#[path = "on_disk/oracle.rs"]
mod oracle;
#[path = "on_disk/small_lake.rs"]
mod small_lake;
#[path = "on_disk/two_writers.rs"]
mod two_writers;
