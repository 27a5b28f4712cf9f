//! What clients ask about the server and its tables.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Field, Schema};
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{GetTablesBuilder, SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{SqlInfo, SqlSupportedCaseSensitivity, SqlSupportedTransaction};
use credwatch_query::TableInfo;
use credwatch_schemas::event::field;
use tonic::Status;

use super::refusal::refusal;
use crate::problem::Problem;

/// As `information_schema` names them.
pub(super) const CATALOG: &str = "credwatch";
pub(super) const SCHEMA: &str = "public";
pub(super) const KINDS: [&str; 2] = ["BASE TABLE", "VIEW"];

/// Where the specification keeps what a column means.
const REMARKS: &str = "ARROW:FLIGHT:SQL:REMARKS";

/// What this server can and cannot.
static INFO: LazyLock<Result<SqlInfoData, FlightError>> = LazyLock::new(|| {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "credwatch");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.build()
});

pub(super) fn info() -> Result<&'static SqlInfoData, Status> {
    INFO.as_ref().map_err(|error| refusal(&Problem::internal("telling what this server can", error)))
}

/// Adds the tables to an answer, columns with what they mean.
pub(super) fn list(tables: &[TableInfo], into: &mut GetTablesBuilder) -> arrow_flight::error::Result<()> {
    tables.iter().try_for_each(|table| into.append(CATALOG, SCHEMA, &table.name, kind(table), &with_meanings(table)))
}

fn kind(table: &TableInfo) -> &'static str {
    let [base, view] = KINDS;
    if table.is_view() { view } else { base }
}

fn with_meanings(table: &TableInfo) -> Schema {
    let fields = table.schema.fields().iter().map(|column| match field(column.name()) {
        None => Arc::clone(column),
        Some(known) => {
            let mut metadata = column.metadata().clone();
            metadata.insert(REMARKS.to_owned(), known.meaning.to_owned());
            Arc::new(Field::clone(column).with_metadata(metadata))
        }
    });
    Schema::new(fields.collect::<Vec<_>>())
}
