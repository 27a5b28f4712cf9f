//! Findings, what makes them, and what explains them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credwatch_detectors::configuration::Since;
use credwatch_detectors::org_setting::SettingKey;
use credwatch_schemas::finding::{Severity, Verdict};
use credwatch_schemas::time::Micros;

use super::values::{severity, since, time, verdict};

#[derive(Debug, Subcommand)]
pub(crate) enum Findings {
    /// Current findings, the most severe and latest first
    #[command(after_help = "Examples:\n  credwatch findings list\n  credwatch findings list --format ndjson --all")]
    List {
        /// Also digests and what was suppressed or withdrawn
        #[arg(long)]
        all: bool,
        /// Only this detector
        #[arg(long, value_name = "ID")]
        detector: Option<String>,
        /// Only this severity and above: info, low, medium, high, critical
        #[arg(long, value_parser = severity, value_name = "SEVERITY")]
        min_severity: Option<Severity>,
    },
    /// One finding, whole: evidence, compared numbers, SQL, all revisions
    Show {
        #[arg(value_name = "FINDING_ID")]
        id: String,
    },
    /// Somebody has seen it
    Ack {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Somebody looks after it
    #[command(
        after_help = "Examples:\n  credwatch findings assign f_7k2m9q4t1x8c ana\n  credwatch findings assign f_7k2m9q4t1x8c --nobody"
    )]
    Assign {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(value_name = "WHO", required_unless_present = "nobody", conflicts_with = "nobody")]
        who: Option<String>,
        /// Take the assignee away
        #[arg(long)]
        nobody: bool,
    },
    /// Write a remark; it takes the place of the one before
    Comment {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Say what it was: true_positive, benign, false_positive or duplicate
    #[command(
        after_help = "Examples:\n  credwatch findings close f_7k2m9q4t1x8c --verdict benign --comment \"the nightly export\""
    )]
    Close {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(long, value_parser = verdict, value_name = "VERDICT")]
        verdict: Verdict,
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// Judge what has not been judged yet, or an interval again
    #[command(
        after_help = "Examples:\n  credwatch detect run\n  credwatch detect run --learn-until 2023-07-10T11:56:00Z"
    )]
    Run {
        /// Event time from which to judge again
        #[arg(long, value_parser = time, value_name = "TIME")]
        from: Option<Micros>,
        /// Event time at which to stop
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: Option<Micros>,
        /// Up to this event time everything is learnt, and after it no agent is in warm-up
        #[arg(long, value_parser = time, value_name = "TIME")]
        learn_until: Option<Micros>,
    },
    /// Run the stories inside detector files
    Test {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make a detector's file hold from a time on
    Activate {
        #[arg(value_name = "ID")]
        id: String,
        /// Event time, or "beginning"
        #[arg(long, value_parser = since, value_name = "TIME")]
        from: Since,
    },
    /// Outcomes and coverage: what ran, what could not be seen
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// What holds, and since which event time
    List {
        /// Also what no longer holds
        #[arg(long)]
        all: bool,
    },
    /// One more value of a list: partners, moved_connections
    Add {
        #[command(flatten)]
        change: Change,
        /// Event time from which on it holds no longer; without it, it holds until it is removed
        #[arg(long, value_parser = time, value_name = "TIME")]
        until: Option<Micros>,
    },
    /// A value holds no longer
    Remove(Change),
    /// The one value of time_zone
    Set(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// partners, moved_connections or time_zone
    #[arg(value_parser = SettingKey::parse, value_name = "KEY")]
    pub(crate) key: SettingKey,
    /// An org's id, "CONNECTION from ORG", or an IANA time zone
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
    /// Event time from which on, or "beginning" [default: the watermark; in a lake without clocks, the beginning]
    #[arg(long, value_parser = since, value_name = "TIME")]
    pub(crate) from: Option<Since>,
}
