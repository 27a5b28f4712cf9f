//! The tables, and the only room that knows how they are stored: append exactly once, snapshot, change, maintain.
//!
//! A lake is a folder of Delta tables, so that other programs read it without asking us. From delta-rs comes the
//! format of the log; the Parquet, the commit protocol, the compaction and the table provider are here. No Delta type
//! leaves this room.
//!
//! Promises:
//! - a batch is in the table exactly once, with its positions, clocks and `seq`, or not at all;
//! - `seq` has no holes, and no lower one appears after a higher one was read;
//! - what a commit names is on disk before the commit is;
//! - any number of processes may write; whoever loses a race looks again and decides again.

mod append;
mod arrangement;
mod change;
mod checkpoint;
mod compaction;
mod data_file;
mod error;
pub mod fail_point;
mod file_statistics;
mod folder_stamp;
mod footers;
mod identity;
mod lake;
mod leftovers;
mod location;
mod log;
mod maintenance;
mod merge_plan;
mod merging;
mod parquet_file;
mod probe;
mod properties;
mod provider;
mod recognition;
mod snapshot;
mod standing;
mod state;
mod synced_folder;
mod table;
mod table_name;
mod turn;

pub use append::Appended;
pub use change::{Change, Committed};
pub use compaction::Compacted;
pub use data_file::DataFile;
pub use error::LakeError;
pub use lake::{Access, Lake};
pub use maintenance::Maintained;
pub use snapshot::{LakeSnapshot, TableSnapshot};
pub use table_name::TableName;
