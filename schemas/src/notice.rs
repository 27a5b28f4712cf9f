//! Rows of the table `notices`: what was, and is to be, told to people, by route.
//!
//! A notice is one message: a row that holds it, one more for each finding that it tells of, and one when it was taken. So the
//! table says of every finding whom it reached, and when.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::finding::{Severity, Status};
use crate::ids::{FindingId, OrgId};
use crate::time::Micros;
use crate::words::words;

words! {
    /// What a row of the table `notices` stands for.
    Notice {
        Finding = "finding",
        Update = "update",
        Correction = "correction",
        Resolution = "resolution",
        Summary = "summary",
        Report = "report",
        Sent = "sent",
        GivenUp = "given_up",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// The route or schedule of the configuration.
    pub route: String,
    /// The same whenever the message is sent again.
    pub notice_id: String,
    pub what: Notice,
    /// Messages about one thing share it.
    pub thread: Option<String>,
    /// Whom it is about; `None` is several orgs, or nobody's: the operator's.
    pub org_id: Option<OrgId>,
    pub finding_id: Option<FindingId>,
    /// The revision that was told.
    pub revision: Option<i64>,
    pub severity: Option<Severity>,
    pub status: Option<Status>,
    /// What is said, as JSON.
    pub message: Option<String>,
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
}

/// The columns of the table `notices`.
pub static NOTICES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("route"),
        text("notice_id"),
        text("what"),
        text("thread"),
        text("org_id"),
        text("finding_id"),
        number("revision"),
        text("severity"),
        text("status"),
        text("message"),
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
        let row = NoticeRow {
            route: "on-call".into(),
            notice_id: "n_1".into(),
            what: Notice::Finding,
            thread: Some("t_1".into()),
            org_id: Some(OrgId::new("org_a")),
            finding_id: Some(FindingId::new("f_1")),
            revision: Some(2),
            severity: Some(Severity::High),
            status: Some(Status::Open),
            message: Some("{}".into()),
            seq: Some(3),
            recorded_time: Micros(9),
        };
        let rows = [row];
        assert_eq!(from_batch::<NoticeRow>(&to_batch(&NOTICES, &rows).unwrap()).unwrap(), rows);
    }
}
