//! Rows of the table `audit`: what people and programs did with credwatch itself, and what they were refused.
//!
//! A row is durable before the first byte of the answer that it stands for. It says what was asked and how the answer
//! began, not what the answer held.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::event::timestamp;
use crate::ids::OrgId;
use crate::time::Micros;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    /// Wall clock at which the request came.
    pub time: Micros,
    /// Also in the answer's header `x-request-id` and in the log.
    pub request_id: String,
    /// `key:<id>`, `local`, or null where nobody was recognised.
    pub principal: Option<String>,
    /// What people call the key.
    pub principal_name: Option<String>,
    pub role: Option<Role>,
    /// Whose rows were asked for; null is the operator's scope, or a request that did not get so far.
    pub org_id: Option<OrgId>,
    /// `http` or `postgres`.
    pub surface: String,
    /// Method and route, such as `GET /v1/findings/{id}`; on a Postgres connection `connect`, `query` or `prepare`.
    pub action: String,
    /// What was asked in particular: a statement, an id, a query string; cut after 4,096 bytes.
    pub detail: Option<String>,
    /// Status of the answer, in HTTP's numbers on every surface. Null: the row was written before something was changed, and another follows with the
    /// same `request_id`, unless the process died in between.
    pub status: Option<i64>,
    /// The problem's code, where there was one.
    pub code: Option<String>,
    /// From the request's arrival to the beginning of the answer.
    pub duration_ms: i64,
    /// Where the connection came from.
    pub address: Option<String>,
}

/// The columns of the table `audit`.
pub static AUDIT: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        number("seq"),
        Field::new("time", timestamp(), true),
        text("request_id"),
        text("principal"),
        text("principal_name"),
        text("role"),
        text("org_id"),
        text("surface"),
        text("action"),
        text("detail"),
        number("status"),
        text("code"),
        number("duration_ms"),
        text("address"),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{from_batch, to_batch};

    #[test]
    fn a_row_survives_its_table() {
        let row = AuditRow {
            seq: Some(1),
            time: Micros(7),
            request_id: "1".into(),
            principal: Some("key:ab".into()),
            principal_name: None,
            role: Some(Role::Auditor),
            org_id: Some(OrgId::new("org_a")),
            surface: "http".into(),
            action: "POST /v1/sql".into(),
            detail: Some("SELECT 'ä\n'".into()),
            status: Some(403),
            code: Some("forbidden".into()),
            duration_ms: 3,
            address: Some("127.0.0.1".into()),
        };
        let batch = to_batch(&AUDIT, std::slice::from_ref(&row)).unwrap();
        assert_eq!(from_batch::<AuditRow>(&batch).unwrap(), [row]);
    }
}
