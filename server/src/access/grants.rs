//! The book of grants: what people are allowed whom an OpenID issuer vouches for.
//!
//! A grant names a claim and a value: whoever brings a token with it has the grant's role over the grant's rows. Where
//! several reach an org, the oldest holds there, so that the order of granting is the order of reading, as in a firewall's
//! list; what one org's admin grants changes nothing anywhere else.

use std::collections::BTreeSet;

use credwatch_lake::{Lake, TableName};
use credwatch_schemas::access::{GrantChange, GrantRow, Reach, Role, reach};
use credwatch_schemas::ids::{GrantId, OrgId};
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::book::{Book, BookError};

#[derive(Debug, Error)]
pub enum GrantError {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("drawing an id")]
    Draw(getrandom::Error),
}

/// A grant that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    /// Whoever has this claim
    pub claim: String,
    /// with this value, or with it among others,
    pub value: String,
    /// has this role
    pub role: Role,
    /// over these rows.
    pub reach: Reach,
    pub granted_time: Micros,
    pub granted_by: String,
}

/// A grant as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantInfo {
    pub grant_id: GrantId,
    pub claim: String,
    pub value: String,
    pub role: Role,
    /// Null: every org, and rows without one.
    pub orgs: Option<Vec<OrgId>>,
    pub granted_time: Micros,
    pub granted_by: String,
}

impl From<Grant> for GrantInfo {
    fn from(grant: Grant) -> Self {
        Self {
            orgs: grant.reach.orgs(),
            grant_id: grant.id,
            claim: grant.claim,
            value: grant.value,
            role: grant.role,
            granted_time: grant.granted_time,
            granted_by: grant.granted_by,
        }
    }
}

/// What a new grant is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    pub claim: String,
    pub value: String,
    pub role: Role,
    pub reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoGrant(String);

impl NewGrant {
    /// One line each, and neither empty: a claim that everybody has grants to everybody.
    pub fn new(claim: &str, value: &str, role: Role, reach: Reach) -> Result<Self, NoGrant> {
        for (what, text) in [("claim", claim), ("value", value)] {
            if text.trim().is_empty() || text.len() > 500 || text.contains(char::is_control) {
                return Err(NoGrant(format!("the {what} of a grant is one line of at most 500 bytes")));
            }
        }
        Ok(Self { claim: claim.trim().to_owned(), value: value.trim().to_owned(), role, reach })
    }
}

/// The table `access_grants` of a lake.
#[derive(Debug, Clone)]
pub struct Grants {
    book: Book<GrantRow>,
}

impl Grants {
    pub fn new(lake: Lake) -> Self {
        Self { book: book(lake) }
    }

    /// `by` is the principal.
    pub async fn grant(&self, new: &NewGrant, by: &str, now: Micros) -> Result<GrantId, GrantError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(GrantError::Draw)?;
        let id = GrantId::new(hex::encode(id));
        let row = GrantRow {
            claim: Some(new.claim.clone()),
            value: Some(new.value.clone()),
            role: Some(new.role),
            is_operator: Some(new.reach == Reach::Operator),
            orgs: new.reach.orgs(),
            ..change(id.clone(), GrantChange::Granted, by, now)
        };
        self.book.record(&row, now).await?;
        Ok(id)
    }

    /// From here on it grants nothing; servers know within a second. False where no such grant stands.
    pub async fn withdraw(&self, id: &GrantId, by: &str, now: Micros) -> Result<bool, GrantError> {
        if !self.list().await?.iter().any(|grant| grant.id == *id) {
            return Ok(false);
        }
        self.book.record(&change(id.clone(), GrantChange::Withdrawn, by, now), now).await?;
        Ok(true)
    }

    /// All that stand, the oldest first.
    pub async fn list(&self) -> Result<Vec<Grant>, GrantError> {
        Ok(standing(&self.book.rows().await?))
    }
}

pub(super) fn book(lake: Lake) -> Book<GrantRow> {
    Book::new(lake, TableName::Grants)
}

pub(super) fn change(grant_id: GrantId, change: GrantChange, by: &str, now: Micros) -> GrantRow {
    GrantRow {
        seq: None,
        recorded_time: now,
        grant_id,
        change,
        changed_by: by.to_owned(),
        claim: None,
        value: None,
        role: None,
        is_operator: None,
        orgs: None,
    }
}

/// What rows in the order of their `seq` make together. A withdrawal is final, wherever it stands.
pub(super) fn standing(rows: &[GrantRow]) -> Vec<Grant> {
    let withdrawn: BTreeSet<&GrantId> =
        rows.iter().filter(|row| row.change == GrantChange::Withdrawn).map(|row| &row.grant_id).collect();
    rows.iter().filter_map(granted).filter(|grant| !withdrawn.contains(&grant.id)).collect()
}

fn granted(row: &GrantRow) -> Option<Grant> {
    (row.change == GrantChange::Granted).then_some(())?;
    Some(Grant {
        id: row.grant_id.clone(),
        claim: row.claim.clone().filter(|claim| !claim.is_empty())?,
        value: row.value.clone().filter(|value| !value.is_empty())?,
        role: row.role?,
        reach: reach(row.is_operator, row.orgs.as_deref())?,
        granted_time: row.recorded_time,
        granted_by: row.changed_by.clone(),
    })
}
