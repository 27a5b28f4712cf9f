//! What reading Kafka tells about itself. No label names a topic, an org or a host.

use std::time::Duration;

use credwatch_lake::Appended;

/// `credwatch_ingest_rows_total`, `..._rejects_total`, `..._duplicates_total`: rows committed, by what became of them;
/// `credwatch_ingest_commit_seconds`: how long the commit took.
pub(super) fn committed(appended: &Appended, took: Duration) {
    metrics::histogram!("credwatch_ingest_commit_seconds").record(took.as_secs_f64());
    if let Appended::Committed { accepted, rejected, duplicates, .. } = appended {
        metrics::counter!("credwatch_ingest_rows_total").increment(*accepted as u64);
        metrics::counter!("credwatch_ingest_rejects_total").increment(*rejected as u64);
        metrics::counter!("credwatch_ingest_duplicates_total").increment(*duplicates as u64);
    }
}

/// `credwatch_ingest_commit_failures_total`: attempts that storage refused; each is retried.
pub(super) fn commit_failed() {
    metrics::counter!("credwatch_ingest_commit_failures_total").increment(1);
}

/// `credwatch_ingest_lag_records`: records of this process's partitions that are not yet read.
pub(super) fn lag(records: i64) {
    metrics::gauge!("credwatch_ingest_lag_records").set(records as f64);
}

/// `credwatch_ingest_behind_seconds`: between a record's timestamp and its reading.
pub(super) fn behind(micros: i64) {
    metrics::gauge!("credwatch_ingest_behind_seconds").set(micros as f64 / 1e6);
}

/// `credwatch_ingest_skipped_records_total`: records that Kafka had deleted before they were read.
pub(super) fn skipped(records: i64) {
    metrics::counter!("credwatch_ingest_skipped_records_total").increment(u64::try_from(records).unwrap_or(0));
}
