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
use serde_json::{Map, Value};
use thiserror::Error;
use utoipa::ToSchema;

use super::keys::orgs;
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
            orgs: orgs(&grant.reach),
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
            orgs: orgs(&new.reach),
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

fn change(grant_id: GrantId, change: GrantChange, by: &str, now: Micros) -> GrantRow {
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

/// The grants that claims have, the oldest first.
pub(super) fn grants_of<'a>(grants: &'a [Grant], claims: &Map<String, Value>) -> Vec<&'a Grant> {
    grants.iter().filter(|grant| fits(grant, claims)).collect()
}

fn fits(grant: &Grant, claims: &Map<String, Value>) -> bool {
    // An address that its issuer has not seen answered is what somebody typed.
    let is_typed = grant.claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true));
    !is_typed
        && match claim(claims, &grant.claim) {
            Some(Value::String(text)) => *text == grant.value,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(grant.value.as_str())),
            _ => false,
        }
}

/// The claim of that very name, else the one that its points lead to.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, claim: &str, value: &str, role: Role) -> GrantRow {
        GrantRow {
            claim: Some(claim.into()),
            value: Some(value.into()),
            role: Some(role),
            orgs: Some(vec![OrgId::new("org_a")]),
            ..change(GrantId::new(id), GrantChange::Granted, "operator", Micros(1))
        }
    }

    fn role_of(rows: &[GrantRow], claims: &Value) -> Option<Role> {
        grants_of(&standing(rows), claims.as_object().unwrap()).first().map(|grant| grant.role)
    }

    #[test]
    fn a_claim_fits_as_it_is_among_others_and_within_others() {
        let rows = [row("1", "realm_access.roles", "secops", Role::Analyst)];
        for claims in [
            json!({"realm_access": {"roles": ["x", "secops"]}}),
            json!({"realm_access": {"roles": "secops"}}),
            json!({"realm_access.roles": "secops"}),
        ] {
            assert_eq!(role_of(&rows, &claims), Some(Role::Analyst), "{claims}");
        }
        for claims in [
            json!({"realm_access": {"roles": ["secops-guests"]}}),
            json!({"realm_access": "secops"}),
            json!({"roles": ["secops"]}),
            json!({"realm_access": {"roles": [["secops"]]}}),
            json!({"realm_access.roles": "", "realm_access": {"roles": "secops"}}),
        ] {
            assert_eq!(role_of(&rows, &claims), None, "{claims}");
        }
    }

    #[test]
    fn of_several_that_fit_the_oldest_holds_until_it_is_withdrawn() {
        let older = row("1", "groups", "all", Role::Viewer);
        let rows = [older.clone(), row("2", "groups", "admins", Role::Admin)];
        let claims = json!({"groups": ["admins", "all"]});
        assert_eq!(role_of(&rows, &claims), Some(Role::Viewer));
        let withdrawn = change(older.grant_id.clone(), GrantChange::Withdrawn, "operator", Micros(2));
        let [first, second] = rows;
        assert_eq!(role_of(&[first, second, withdrawn, older], &claims), Some(Role::Admin));
    }

    #[test]
    fn an_address_that_nobody_has_verified_is_nobodys() {
        let rows = [row("1", "email", "ana@example.com", Role::Admin)];
        assert_eq!(role_of(&rows, &json!({"email": "ana@example.com"})), None);
        assert_eq!(role_of(&rows, &json!({"email": "ana@example.com", "email_verified": "true"})), None);
        assert_eq!(role_of(&rows, &json!({"email": "ana@example.com", "email_verified": true})), Some(Role::Admin));
    }

    #[test]
    fn half_a_grant_grants_nothing() {
        let whole = row("1", "groups", "all", Role::Viewer);
        for half in [
            GrantRow { orgs: None, ..whole.clone() },
            GrantRow { orgs: Some(vec![]), ..whole.clone() },
            GrantRow { role: None, ..whole.clone() },
            GrantRow { value: Some(String::new()), ..whole.clone() },
            GrantRow { claim: None, ..whole },
        ] {
            assert_eq!(role_of(std::slice::from_ref(&half), &json!({"groups": ["all", ""]})), None, "{half:?}");
        }
    }
}
