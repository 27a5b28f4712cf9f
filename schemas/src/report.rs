//! Rows of the table `reports`: every edition of every report that was made.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::OrgId;
use crate::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// Whom it is about; `None` is everybody.
    pub org_id: Option<OrgId>,
    /// Which report, such as `weekly-report`.
    pub report: String,
    /// Of when, such as `2026-W46`.
    pub period: String,
    /// In which zone the period begins and ends.
    pub time_zone: String,
    pub edition: i64,
    /// The document, as it was given out.
    pub document: String,
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
}

/// The columns of the table `reports`.
pub static REPORTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("org_id"),
        text("report"),
        text("period"),
        text("time_zone"),
        number("edition"),
        text("document"),
        number("seq"),
        Field::new("recorded_time", timestamp(), true),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{from_batch, to_batch};

    #[test]
    fn a_row_survives_its_table() {
        let row = ReportRow {
            org_id: Some(OrgId::new("org_a")),
            report: "weekly-report".into(),
            period: "2026-W23".into(),
            time_zone: "UTC".into(),
            edition: 2,
            document: "{}".into(),
            seq: Some(3),
            recorded_time: Micros(9),
        };
        let rows = [row];
        assert_eq!(from_batch::<ReportRow>(&to_batch(&REPORTS, &rows).unwrap()).unwrap(), rows);
    }
}
