//! Records on their way in.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Which shape the records have
    #[arg(long, value_enum, default_value_t = Adapter::Auto)]
    pub(crate) adapter: Adapter,
    /// Name of a binding in the configuration (source, org, adapter, identity rule)
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// Exit with 1 when the files have more rejects than this, also those of an earlier import
    #[arg(long, value_name = "N")]
    pub(crate) max_rejects: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    Auto,
    EventV1,
    Cloudtrail,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rejects {
    /// Reasons and positions, the latest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}
