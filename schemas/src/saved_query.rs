//! Rows of the table `saved_queries`: statements that an org's people keep under a name.
//!
//! A change is a new row; of each name the one with the highest `seq` holds, and one without a statement takes it away.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::OrgId;
use crate::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQueryRow {
    /// Whose it is; `None` is the operator's.
    pub org_id: Option<OrgId>,
    pub name: String,
    /// The statement, with `$1` or `$name` where a value is asked for; `None`: there is no query of this name any more.
    pub sql: Option<String>,
    /// What it answers, in one line.
    pub about: Option<String>,
    /// The principal that made the change.
    pub changed_by: String,
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
}

/// The columns of the table `saved_queries`.
pub static SAVED_QUERIES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("org_id"),
        text("name"),
        text("sql"),
        text("about"),
        text("changed_by"),
        Field::new("seq", DataType::Int64, true),
        Field::new("recorded_time", timestamp(), true),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{from_batch, to_batch};

    #[test]
    fn a_row_survives_its_table() {
        let row = SavedQueryRow {
            org_id: Some(OrgId::new("org_a")),
            name: "denied-yesterday".into(),
            sql: Some("SELECT 1".into()),
            about: None,
            changed_by: "operator".into(),
            seq: Some(3),
            recorded_time: Micros(9),
        };
        let rows = [row];
        assert_eq!(from_batch::<SavedQueryRow>(&to_batch(&SAVED_QUERIES, &rows).unwrap()).unwrap(), rows);
    }
}
