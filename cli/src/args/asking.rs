//! Statements, once and under a name; and reports.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credwatch_schemas::checklist::Framework;
use credwatch_schemas::time::Micros;
use credwatch_server::reports::Week;

use super::values::time;

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// A statement
    #[arg(short, long, value_name = "STATEMENT", conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// A file with one statement
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Query {
    /// Keep a statement under a name, in the place of one of that name
    Save(SaveQuery),
    /// What is kept
    List,
    /// Run one
    Run {
        #[arg(value_name = "NAME")]
        name: String,
        /// A value for $NAME, or without a name for $1, $2, ...; what reads as JSON is that, else it is text
        #[arg(long = "param", value_name = "[NAME=]VALUE")]
        params: Vec<String>,
    },
    /// Keep it no longer
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SaveQuery {
    /// Letters, digits, dots, dashes and underscores
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The statement
    #[arg(short = 'c', long, value_name = "STATEMENT", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// A file with the statement
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What it answers, in one line
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Requests per host per agent, error rates, new destinations, findings, and what could not be seen
    Weekly(WeeklyReport),
    /// Is this ready for a second customer? Twelve checks, each yes, no or not observable
    Readiness(Between),
    /// What can be shown to an auditor
    Compliance {
        #[arg(long, value_parser = framework, value_name = "soc2|gdpr|hipaa|iso27001")]
        framework: Framework,
        #[command(flatten)]
        between: Between,
    },
    /// Every credential: its owner, its scope, when it was used last, and which agents stop when it is revoked
    Credentials,
    /// What stops when somebody leaves, and what goes on
    Offboarding {
        /// As events name the person
        #[arg(value_name = "USER")]
        user: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Between {
    /// Event time, inclusive [default: thirty days before --to]
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) from: Option<Micros>,
    /// Event time, exclusive [default: the last event]
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) to: Option<Micros>,
}

fn framework(text: &str) -> Result<Framework, String> {
    let known = Framework::parse(text).filter(|one| *one != Framework::Readiness);
    known.ok_or_else(|| "it is soc2, gdpr, hipaa or iso27001".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct WeeklyReport {
    /// ISO 8601, such as 2026-W46 [default: the last week that has ended]
    #[arg(long, value_name = "WEEK")]
    pub(crate) week: Option<Week>,
    /// Write it here, whole or not at all
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
