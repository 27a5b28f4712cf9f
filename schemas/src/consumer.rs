//! Rows of the table `consumers`: how far somebody who pulls has got, kept for them by name.
//!
//! A change is a new row; the one with the highest `seq` holds. It is a convenience for clients without a place of their
//! own to keep a cursor: nothing in credwatch depends on it.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::OrgId;
use crate::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerRow {
    /// Whose rows are pulled; `None` is the operator, who pulls everybody's.
    pub org_id: Option<OrgId>,
    pub name: String,
    /// events or findings.
    pub stream: String,
    pub cursor: String,
    /// The `seq` that the cursor stands at.
    pub position: i64,
    /// 1, 2, ...: each change counts.
    pub revision: i64,
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
}

/// The columns of the table `consumers`.
pub static CONSUMERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("org_id"),
        text("name"),
        text("stream"),
        text("cursor"),
        number("position"),
        number("revision"),
        number("seq"),
        Field::new("recorded_time", timestamp(), true),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn a_row_survives_its_table() {
        let row = ConsumerRow {
            org_id: None,
            name: "siem".into(),
            stream: "events".into(),
            cursor: "AQ".into(),
            position: 7,
            revision: 1,
            seq: Some(3),
            recorded_time: Micros(5),
        };
        let batch = rows::to_batch(&CONSUMERS, std::slice::from_ref(&row)).unwrap();
        assert_eq!(rows::from_batch::<ConsumerRow>(&batch).unwrap(), [row]);
    }
}
