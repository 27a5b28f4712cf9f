//! What leaves: rows that are pulled or sent, and what people are told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use credwatch_export::Vocabulary;
use credwatch_schemas::time::Micros;

use super::values::{time, vocabulary};

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// What to pull
    #[arg(long, value_enum, default_value_t = Stream::Events)]
    pub(crate) stream: Stream,
    /// Vocabulary of the rows: canonical, ocsf, ocsf-1.5, ocsf-1.3, ecs, otlp, cef or leef
    #[arg(long = "as", value_parser = vocabulary, value_name = "VOCABULARY", default_value = "canonical")]
    pub(crate) vocabulary: Vocabulary,
    /// Only events of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Where to begin without a state: rows that became durable at this time or later [default: the beginning]
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) since: Option<Micros>,
    /// Where the place in the stream is kept between two runs
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Append to this file; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Rows of a page
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) limit: u16,
    /// End when everything is there (the default)
    #[arg(long, conflicts_with = "follow")]
    pub(crate) once: bool,
    /// Go on waiting for what comes
    #[arg(long)]
    pub(crate) follow: bool,
    /// Go on with what is left when rows were removed from the lake before they were pulled
    #[arg(long)]
    pub(crate) past_removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stream {
    Events,
    Findings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Send one made-up row to a sink; no place is moved
    Test {
        #[arg(value_name = "SINK")]
        sink: String,
    },
    /// Leave out, for good, every row up to a seq: one that the other side will never take
    Skip {
        #[arg(value_name = "SINK")]
        sink: String,
        #[arg(value_name = "SEQ")]
        to: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Send one made-up message to a route or heartbeat, or the last week's report by a schedule; nothing is recorded
    Test {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Say what would have been sent, of findings that were recorded in a stretch of time
    Preview {
        /// Only by this route [default: all]
        #[arg(long, value_name = "ROUTE")]
        route: Option<String>,
        #[arg(long, value_parser = time, value_name = "TIME")]
        from: Micros,
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: Micros,
    },
    /// Give up, for good, a message that the other side will never take
    Skip {
        #[arg(value_name = "ROUTE")]
        route: String,
        #[arg(value_name = "NOTICE")]
        notice: String,
    },
}
