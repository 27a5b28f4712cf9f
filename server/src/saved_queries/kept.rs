//! The book of saved queries. Each org has names of its own, and so has the operator; the command line and the API both
//! write it here.

use std::collections::BTreeMap;

use credwatch_lake::{Lake, TableName};
use credwatch_query::{QueryError, Session, TenantScope};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::saved_query::SavedQueryRow;
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::book::{Book, BookError};

/// Of one org.
const MOST_QUERIES: usize = 500;
const LONGEST_NAME: usize = 64;
const LONGEST_ABOUT: usize = 500;
const LONGEST_STATEMENT: usize = 64 * 1024;

/// A statement under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedQuery {
    pub name: String,
    /// The statement, with `$1` or `$name` where a value is asked for.
    pub sql: String,
    /// What it answers, in one line.
    pub about: Option<String>,
    /// Null: the operator's.
    pub org_id: Option<OrgId>,
    /// The principal that saved it last.
    pub saved_by: String,
    pub saved_time: Micros,
}

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QueryToSave)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub sql: String,
    pub about: Option<String>,
}

#[derive(Debug, Error)]
pub enum SaveError {
    #[error("a query's name is 1 to {LONGEST_NAME} letters, digits, dots, dashes and underscores")]
    Name,
    #[error("what a query is about is one line of at most {LONGEST_ABOUT} bytes")]
    About,
    #[error("a saved statement has at most {LONGEST_STATEMENT} bytes")]
    Length,
    #[error("the statement cannot be saved as it is")]
    Statement(#[from] QueryError),
    #[error("{MOST_QUERIES} queries are saved already: remove one first")]
    TooMany,
    #[error(transparent)]
    Book(#[from] BookError),
}

/// The saved queries of one scope.
#[derive(Debug, Clone)]
pub struct SavedQueries {
    pub(super) book: Book<SavedQueryRow>,
    org: Option<OrgId>,
}

impl SavedQueries {
    pub fn new(lake: Lake, scope: &TenantScope) -> Self {
        let org = match scope {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org.clone()),
        };
        Self { book: Book::new(lake, TableName::SavedQueries), org }
    }

    /// By name.
    pub async fn list(&self) -> Result<Vec<SavedQuery>, BookError> {
        Ok(standing(&self.book.rows().await?, self.org.as_ref()))
    }

    pub async fn find(&self, name: &str) -> Result<Option<SavedQuery>, BookError> {
        Ok(self.list().await?.into_iter().find(|query| query.name == name))
    }

    /// Keeps a statement that the session can plan, in the place of one of that name. `by` is the principal.
    pub async fn save(
        &self,
        session: &Session,
        name: &str,
        draft: &Draft,
        by: &str,
        now: Micros,
    ) -> Result<SavedQuery, SaveError> {
        check(name, draft)?;
        session.check(&draft.sql).await?;
        let known = self.list().await?;
        if known.len() >= MOST_QUERIES && !known.iter().any(|query| query.name == name) {
            return Err(SaveError::TooMany);
        }
        let row = SavedQueryRow { sql: Some(draft.sql.clone()), about: draft.about.clone(), ..self.row(name, by, now) };
        self.book.record_and_fold(row.clone(), now, last_of_each).await?;
        Ok(SavedQuery {
            name: row.name,
            sql: draft.sql.clone(),
            about: row.about,
            org_id: row.org_id,
            saved_by: row.changed_by,
            saved_time: now,
        })
    }

    /// False where there is none of that name.
    pub async fn remove(&self, name: &str, by: &str, now: Micros) -> Result<bool, BookError> {
        if self.find(name).await?.is_none() {
            return Ok(false);
        }
        self.book.record_and_fold(self.row(name, by, now), now, last_of_each).await?;
        Ok(true)
    }

    fn row(&self, name: &str, by: &str, now: Micros) -> SavedQueryRow {
        SavedQueryRow {
            org_id: self.org.clone(),
            name: name.to_owned(),
            sql: None,
            about: None,
            changed_by: by.to_owned(),
            seq: None,
            recorded_time: now,
        }
    }
}

/// What is left of a history that has become long: of each name the last row, and nothing of those that were removed.
fn last_of_each(rows: Vec<SavedQueryRow>) -> Vec<SavedQueryRow> {
    let named = rows.into_iter().map(|row| ((row.org_id.clone(), row.name.clone()), row));
    let last: BTreeMap<_, _> = named.collect();
    let mut last: Vec<SavedQueryRow> = last.into_values().filter(|row| row.sql.is_some()).collect();
    last.sort_by_key(|row| row.seq);
    last
}

fn check(name: &str, draft: &Draft) -> Result<(), SaveError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
        return Err(SaveError::Name);
    }
    let about = draft.about.as_deref().unwrap_or_default();
    if about.len() > LONGEST_ABOUT || about.contains(char::is_control) {
        return Err(SaveError::About);
    }
    if draft.sql.len() > LONGEST_STATEMENT { Err(SaveError::Length) } else { Ok(()) }
}

/// What rows in the order of their `seq` make together, of one owner, by name.
fn standing(rows: &[SavedQueryRow], org: Option<&OrgId>) -> Vec<SavedQuery> {
    let ours = rows.iter().filter(|row| row.org_id.as_ref() == org);
    let last: BTreeMap<&str, &SavedQueryRow> = ours.map(|row| (row.name.as_str(), row)).collect();
    last.into_values().filter_map(saved).collect()
}

fn saved(row: &SavedQueryRow) -> Option<SavedQuery> {
    Some(SavedQuery {
        name: row.name.clone(),
        sql: row.sql.clone()?,
        about: row.about.clone(),
        org_id: row.org_id.clone(),
        saved_by: row.changed_by.clone(),
        saved_time: row.recorded_time,
    })
}
