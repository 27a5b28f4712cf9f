//! The tables that a lake can hold, and the folders that they live in.

use std::fmt;

use arrow::datatypes::SchemaRef;
use credwatch_schemas::access::{GRANTS, KEYS};
use credwatch_schemas::audit::AUDIT;
use credwatch_schemas::configuration::CONFIGURATION;
use credwatch_schemas::consumer::CONSUMERS;
use credwatch_schemas::finding::FINDINGS;
use credwatch_schemas::notice::NOTICES;
use credwatch_schemas::outcome::COVERAGE;
use credwatch_schemas::records::{RECORDS, column};
use credwatch_schemas::report::REPORTS;
use credwatch_schemas::saved_query::SAVED_QUERIES;

/// A table of the lake. All but the last two exist in every lake; rollups and ledgers come with the detectors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    Records,
    Findings,
    Coverage,
    Configuration,
    Keys,
    Grants,
    Audit,
    Consumers,
    SavedQueries,
    Reports,
    Notices,
    Rollup(String),
    Ledger(String),
}

impl TableName {
    /// Tables that exist, empty, from the first opening of a lake.
    pub const STATIC: [Self; 11] = [
        Self::Records,
        Self::Findings,
        Self::Coverage,
        Self::Configuration,
        Self::Keys,
        Self::Grants,
        Self::Audit,
        Self::Consumers,
        Self::SavedQueries,
        Self::Reports,
        Self::Notices,
    ];

    /// The columns of a static table.
    pub fn static_schema(&self) -> Option<SchemaRef> {
        match self {
            Self::Records => Some(RECORDS.clone()),
            Self::Findings => Some(FINDINGS.clone()),
            Self::Coverage => Some(COVERAGE.clone()),
            Self::Configuration => Some(CONFIGURATION.clone()),
            Self::Keys => Some(KEYS.clone()),
            Self::Grants => Some(GRANTS.clone()),
            Self::Audit => Some(AUDIT.clone()),
            Self::Consumers => Some(CONSUMERS.clone()),
            Self::SavedQueries => Some(SAVED_QUERIES.clone()),
            Self::Reports => Some(REPORTS.clone()),
            Self::Notices => Some(NOTICES.clone()),
            Self::Rollup(_) | Self::Ledger(_) => None,
        }
    }

    pub(crate) fn partition_columns(&self) -> &'static [&'static str] {
        match self {
            Self::Records => &[column::DISPOSITION, column::DATE],
            Self::Findings
            | Self::Coverage
            | Self::Configuration
            | Self::Keys
            | Self::Grants
            | Self::Audit
            | Self::Consumers
            | Self::SavedQueries
            | Self::Reports
            | Self::Notices
            | Self::Rollup(_)
            | Self::Ledger(_) => &[],
        }
    }

    /// Reads the name of a table's folder; `None` for a folder that is no table.
    pub fn parse(folder: &str) -> Option<Self> {
        if let Some(known) = Self::STATIC.iter().find(|name| name.to_string() == folder) {
            return Some(known.clone());
        }
        if let Some(rest) = folder.strip_prefix("rollup_").filter(|rest| is_plain(rest)) {
            return Some(Self::Rollup(rest.to_owned()));
        }
        folder.strip_prefix("ledger_").filter(|rest| is_plain(rest)).map(|rest| Self::Ledger(rest.to_owned()))
    }

    /// Whether the name can be a folder: a name from a detector's file must not reach outside the lake.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Rollup(rest) | Self::Ledger(rest) => is_plain(rest),
            Self::Records
            | Self::Findings
            | Self::Coverage
            | Self::Configuration
            | Self::Keys
            | Self::Grants
            | Self::Audit
            | Self::Consumers
            | Self::SavedQueries
            | Self::Reports
            | Self::Notices => true,
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl fmt::Display for TableName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => out.write_str("records"),
            Self::Findings => out.write_str("findings"),
            Self::Coverage => out.write_str("coverage"),
            Self::Configuration => out.write_str("configuration"),
            Self::Keys => out.write_str("keys"),
            Self::Grants => out.write_str("access_grants"),
            Self::Audit => out.write_str("audit"),
            Self::Consumers => out.write_str("consumers"),
            Self::SavedQueries => out.write_str("saved_queries"),
            Self::Reports => out.write_str("reports"),
            Self::Notices => out.write_str("notices"),
            Self::Rollup(rest) => write!(out, "rollup_{rest}"),
            Self::Ledger(rest) => write!(out, "ledger_{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_from_its_folder() {
        for name in [TableName::Records, TableName::Rollup("agent_host_1d".into()), TableName::Ledger("x".into())] {
            assert_eq!(TableName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn a_name_cannot_leave_the_lake() {
        assert_eq!(TableName::parse("rollup_../x"), None);
        assert!(!TableName::Ledger("a/b".into()).is_sound());
    }
}
