//! What can go wrong at the boundary of this room. Expected outcomes (a lost race, a stale position) are values, not
//! errors; the variants differ where a caller acts differently.

use thiserror::Error;

use crate::table_name::TableName;

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LakeError {
    #[error("open lake \"{url}\": only a local folder works so far, the scheme \"{scheme}\" does not")]
    Scheme { url: String, scheme: String },
    #[error("open lake \"{0}\": there is none")]
    Absent(String),
    #[error("open lake \"{0}\": this is not a path or URL of a folder")]
    NotAFolder(String),
    #[error("open table \"{table}\": its format is {found} and this build reads up to {known}; use a newer build")]
    NewerFormat { table: TableName, found: String, known: u32 },
    #[error("find table \"{0}\": the lake has none of this name")]
    NoTable(TableName),
    #[error("create table \"{0}\": it exists with other columns")]
    OtherSchema(TableName),
    #[error("{doing} in table \"{table}\"")]
    Storage { doing: &'static str, table: TableName, source: BoxError },
    #[error("{doing} in the lake's folder")]
    Folder { doing: &'static str, source: std::io::Error },
    #[error("commit to table \"{table}\": lost against other writers {attempts} times in a row")]
    Contention { table: TableName, attempts: u32 },
    #[error("commit to table \"{table}\": {what}")]
    Refused { table: TableName, what: &'static str },
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Names what was being done to which table when a foreign error came.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, table: &TableName) -> Result<T, LakeError>;
}

impl<T, E: Into<BoxError>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, table: &TableName) -> Result<T, LakeError> {
        self.map_err(|error| LakeError::Storage { doing, table: table.clone(), source: error.into() })
    }
}
