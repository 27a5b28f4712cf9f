//! Properties of a table that stand in its log: the format version, what the log may say about columns, how often it
//! is checkpointed and how long it is kept.
//!
//! No deletion vectors, column mapping or row tracking, ever: the readers and the compactor count on plain files.

use arrow::datatypes::Schema;

use crate::data_file::has_bounds;
use crate::error::LakeError;
use crate::table_name::TableName;

pub(crate) const FORMAT: &str = "credwatch.format";

/// The newest format that this build reads and the one that it writes.
pub(crate) const FORMAT_KNOWN: u32 = 1;

/// Versions between two checkpoints: opening a table reads at most so many log entries.
pub(crate) const CHECKPOINT_EVERY: u64 = 100;

/// Hours, not days: every reader that lists the log pays for its length.
pub(crate) const LOG_KEPT_HOURS: i64 = 6;

pub(crate) fn at_creation(schema: &Schema) -> Vec<(String, Option<String>)> {
    let bounded: Vec<&str> =
        schema.fields().iter().map(|field| field.name().as_str()).filter(|name| has_bounds(name)).collect();
    let property = |key: &str, value: String| (key.to_owned(), Some(value));
    vec![
        property(FORMAT, FORMAT_KNOWN.to_string()),
        property("delta.dataSkippingStatsColumns", bounded.join(",")),
        property("delta.checkpointInterval", CHECKPOINT_EVERY.to_string()),
        property("delta.logRetentionDuration", format!("interval {LOG_KEPT_HOURS} hours")),
        property("delta.enableExpiredLogCleanup", "false".to_owned()),
    ]
}

/// An older build must not guess at what a newer one wrote.
pub(crate) fn check_format(table: &TableName, found: Option<&str>) -> Result<(), LakeError> {
    let known = found.and_then(|text| text.parse::<u32>().ok()).is_some_and(|format| format <= FORMAT_KNOWN);
    if known {
        return Ok(());
    }
    let found = found.unwrap_or("missing").to_owned();
    Err(LakeError::NewerFormat { table: table.clone(), found, known: FORMAT_KNOWN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_in_one_sentence() {
        let error = check_format(&TableName::Records, Some("2")).unwrap_err().to_string();
        assert_eq!(error, "open table \"records\": its format is 2 and this build reads up to 1; use a newer build");
    }

    #[test]
    fn the_known_format_is_accepted() {
        assert!(check_format(&TableName::Records, Some("1")).is_ok());
    }
}
