//! The book of keys: create, revoke, list. The command line and the API both write it here.

use std::collections::BTreeMap;

use credwatch_lake::{Lake, TableName};
use credwatch_query::{Books, Ground, Limits, Params, QueryError, Session, TenantScope};
use credwatch_schemas::access::{KeyChange, KeyRow, Reach, Role};
use credwatch_schemas::ids::{KeyId, OrgId};
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::holder::{Holder, Holders, holders};
use super::key::Key;
use super::public_key::PublicKey;
use crate::book::{Book, BookError};

#[derive(Debug, Error)]
pub enum KeyError {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("a row of the audit says no use of a key")]
    Row(#[from] arrow::error::ArrowError),
    #[error("reading when keys were used")]
    Use(#[from] QueryError),
    #[error("drawing a key")]
    Draw(getrandom::Error),
}

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub role: Role,
    pub reach: Reach,
    pub expires_time: Option<Micros>,
}

/// A key for whoever looks: everything but what it is recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyInfo {
    pub key_id: KeyId,
    pub name: String,
    pub role: Role,
    /// Null: every org, and rows without one.
    pub orgs: Option<Vec<OrgId>>,
    pub created_time: Micros,
    pub created_by: String,
    /// Whether it is proven by a signature, at the token endpoint, and not by a secret.
    #[serde(default)]
    pub is_signed: bool,
    pub expires_time: Option<Micros>,
    pub revoked_time: Option<Micros>,
    /// Of the last request that was recognised by it, as `audit` has it; null: never, or not since audit rows were kept.
    pub last_used_time: Option<Micros>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Revoked {
    Now,
    /// It was already, at that time.
    Before(Micros),
    Unknown,
}

/// The table `keys` of a lake.
#[derive(Debug, Clone)]
pub struct Keys {
    book: Book<KeyRow>,
}

impl Keys {
    pub fn new(lake: Lake) -> Self {
        Self { book: book(lake) }
    }

    /// Records a new key and gives it out; it cannot be had a second time. `by` is the principal.
    pub async fn create(&self, draft: &Draft, by: &str, now: Micros) -> Result<Key, KeyError> {
        let key = Key::draw().map_err(KeyError::Draw)?;
        let row = KeyRow { hash: Some(key.hash()), scram: Some(key.verifier()), ..created(key.id(), draft, by, now) };
        self.book.record(&row, now).await?;
        Ok(key)
    }

    /// Records a key without a secret: its holder signs for it, and it opens nothing but the token endpoint.
    pub async fn register(&self, draft: &Draft, public: &PublicKey, by: &str, now: Micros) -> Result<KeyId, KeyError> {
        let id = Key::draw().map_err(KeyError::Draw)?.id();
        let row = KeyRow { public_key: Some(public.pem().to_owned()), ..created(id.clone(), draft, by, now) };
        self.book.record(&row, now).await?;
        Ok(id)
    }

    /// From here on the key opens nothing; servers know within a second.
    pub async fn revoke(&self, id: &KeyId, by: &str, now: Micros) -> Result<Revoked, KeyError> {
        match self.holders().await?.get(id) {
            None => Ok(Revoked::Unknown),
            Some(Holder { revoked_time: Some(time), .. }) => Ok(Revoked::Before(*time)),
            Some(_) => {
                self.book.record(&change(id.clone(), KeyChange::Revoked, by, now), now).await?;
                Ok(Revoked::Now)
            }
        }
    }

    /// All keys that ever were, the oldest first.
    pub async fn list(&self, ground: Option<Ground>, limits: Limits) -> Result<Vec<KeyInfo>, KeyError> {
        let used = self.last_used(ground, limits).await?;
        let mut keys: Vec<KeyInfo> = self.holders().await?.into_values().map(|holder| info(holder, &used)).collect();
        keys.sort_by(|a, b| (a.created_time, &a.key_id).cmp(&(b.created_time, &b.key_id)));
        Ok(keys)
    }

    pub async fn find(&self, id: &KeyId) -> Result<Option<Holder>, KeyError> {
        Ok(self.holders().await?.remove(id))
    }

    async fn holders(&self) -> Result<Holders, KeyError> {
        Ok(holders(&self.book.rows().await?))
    }

    /// By a statement over the audit, which may be long: on the ground of statements, where there is one.
    async fn last_used(&self, ground: Option<Ground>, limits: Limits) -> Result<BTreeMap<String, Micros>, KeyError> {
        #[derive(Deserialize)]
        struct Use {
            principal: String,
            last_used_time: Micros,
        }
        let snapshot = self.book.lake().snapshot().await.map_err(BookError::from)?;
        let session = Session::open_with(&snapshot, TenantScope::Operator, Books::Open, limits)?;
        let session = ground.into_iter().fold(session, Session::on);
        let sql = "SELECT principal, max(time) AS last_used_time FROM audit WHERE principal IS NOT NULL AND status <> 401 GROUP BY principal";
        let mut used = BTreeMap::new();
        for batch in session.run(sql, Params::None).await?.collect().await? {
            let rows = from_batch::<Use>(&batch)?.into_iter();
            used.extend(rows.map(|row| (row.principal, row.last_used_time)));
        }
        Ok(used)
    }
}

pub(super) fn book(lake: Lake) -> Book<KeyRow> {
    Book::new(lake, TableName::Keys)
}

fn created(key_id: KeyId, draft: &Draft, by: &str, now: Micros) -> KeyRow {
    KeyRow {
        name: Some(draft.name.clone()),
        role: Some(draft.role),
        is_operator: Some(draft.reach == Reach::Operator),
        orgs: draft.reach.orgs(),
        expires_time: draft.expires_time,
        ..change(key_id, KeyChange::Created, by, now)
    }
}

fn change(key_id: KeyId, change: KeyChange, by: &str, now: Micros) -> KeyRow {
    KeyRow {
        seq: None,
        recorded_time: now,
        key_id,
        change,
        changed_by: by.to_owned(),
        name: None,
        hash: None,
        scram: None,
        public_key: None,
        role: None,
        is_operator: None,
        orgs: None,
        expires_time: None,
    }
}

fn info(holder: Holder, used: &BTreeMap<String, Micros>) -> KeyInfo {
    KeyInfo {
        is_signed: holder.public_key().is_some(),
        last_used_time: used.get(&format!("key:{}", holder.id)).copied(),
        key_id: holder.id,
        name: holder.name,
        role: holder.role,
        orgs: holder.reach.orgs(),
        created_time: holder.created_time,
        created_by: holder.created_by,
        expires_time: holder.expires_time,
        revoked_time: holder.revoked_time,
    }
}
