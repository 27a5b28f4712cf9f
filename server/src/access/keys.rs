//! The book of keys: create, revoke, list. The command line and the API both write it here.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use credwatch_lake::{Change, Committed, Lake, LakeError, TableName, TableSnapshot};
use credwatch_query::{Books, Limits, Params, QueryError, Session, TenantScope};
use credwatch_schemas::access::{KEYS, KeyChange, KeyRow, Reach, Role};
use credwatch_schemas::ids::{KeyId, OrgId};
use credwatch_schemas::rows::{from_batch, to_batch};
use credwatch_schemas::time::Micros;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionContext, col};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::holder::{Holder, Holders, holders};
use super::key::Key;

/// Losses against other writers before it is an error.
const MOST_ATTEMPTS: u32 = 60;

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("the lake has no table of keys yet: it comes with the first process of this version that writes the lake")]
    NoTable,
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("reading the keys")]
    Read(#[from] DataFusionError),
    #[error("a row of the table of keys is no key")]
    Row(#[from] arrow::error::ArrowError),
    #[error("reading when keys were used")]
    Use(#[from] QueryError),
    #[error("drawing a key")]
    Draw(getrandom::Error),
    #[error("other writers of the table of keys came first {MOST_ATTEMPTS} times")]
    Contention,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    pub key_id: KeyId,
    pub name: String,
    pub role: Role,
    /// Null: every org, and rows without one.
    pub orgs: Option<Vec<OrgId>>,
    pub created_time: Micros,
    pub created_by: String,
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
    lake: Lake,
}

impl Keys {
    pub fn new(lake: Lake) -> Self {
        Self { lake }
    }

    /// Records a new key and gives it out; it cannot be had a second time. `by` is the principal.
    pub async fn create(&self, draft: &Draft, by: &str, now: Micros) -> Result<Key, KeyError> {
        let key = Key::draw().map_err(KeyError::Draw)?;
        let row = KeyRow {
            name: Some(draft.name.clone()),
            hash: Some(key.hash()),
            scram: Some(key.verifier()),
            role: Some(draft.role),
            is_operator: Some(draft.reach == Reach::Operator),
            orgs: orgs(&draft.reach),
            expires_time: draft.expires_time,
            ..change(key.id(), KeyChange::Created, by, now)
        };
        self.record(&row, now).await?;
        Ok(key)
    }

    /// From here on the key opens nothing; servers know within a second.
    pub async fn revoke(&self, id: &KeyId, by: &str, now: Micros) -> Result<Revoked, KeyError> {
        match self.holders().await?.get(id) {
            None => Ok(Revoked::Unknown),
            Some(Holder { revoked_time: Some(time), .. }) => Ok(Revoked::Before(*time)),
            Some(_) => {
                self.record(&change(id.clone(), KeyChange::Revoked, by, now), now).await?;
                Ok(Revoked::Now)
            }
        }
    }

    /// All keys that ever were, the oldest first.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let used = self.last_used().await?;
        let mut keys: Vec<KeyInfo> = self.holders().await?.into_values().map(|holder| info(holder, &used)).collect();
        keys.sort_by(|a, b| (a.created_time, &a.key_id).cmp(&(b.created_time, &b.key_id)));
        Ok(keys)
    }

    pub async fn find(&self, id: &KeyId) -> Result<Option<Holder>, KeyError> {
        Ok(self.holders().await?.remove(id))
    }

    pub(crate) async fn holders(&self) -> Result<Holders, KeyError> {
        self.holders_in(&self.table().await?).await
    }

    pub(crate) async fn table(&self) -> Result<TableSnapshot, KeyError> {
        self.lake.table_snapshot(&TableName::Keys).await?.ok_or(KeyError::NoTable)
    }

    pub(crate) async fn holders_in(&self, table: &TableSnapshot) -> Result<Holders, KeyError> {
        let rows = SessionContext::new().read_table(table.provider())?.sort(vec![col("seq").sort(true, false)])?;
        let mut read: Vec<KeyRow> = Vec::new();
        for batch in rows.collect().await? {
            read.extend(from_batch::<KeyRow>(&batch)?);
        }
        Ok(holders(&read))
    }

    async fn last_used(&self) -> Result<BTreeMap<String, Micros>, KeyError> {
        #[derive(Deserialize)]
        struct Use {
            principal: String,
            last_used_time: Micros,
        }
        let snapshot = self.lake.snapshot().await?;
        let session = Session::open_with(&snapshot, TenantScope::Operator, Books::Open, Limits::default())?;
        let sql = "SELECT principal, max(time) AS last_used_time FROM audit WHERE principal IS NOT NULL AND status <> 401 GROUP BY principal";
        let mut used = BTreeMap::new();
        for batch in session.run(sql, Params::None).await?.collect().await? {
            let rows = from_batch::<Use>(&batch)?.into_iter();
            used.extend(rows.map(|row| (row.principal, row.last_used_time)));
        }
        Ok(used)
    }

    async fn record(&self, row: &KeyRow, now: Micros) -> Result<(), KeyError> {
        let schema: &SchemaRef = &KEYS;
        let rows = to_batch(schema, std::slice::from_ref(row))?;
        for _ in 0..MOST_ATTEMPTS {
            let change = Change { append: vec![rows.clone()], ..Change::default() };
            if let Committed::Done { .. } = self.lake.commit(&TableName::Keys, change, now).await? {
                return Ok(());
            }
        }
        Err(KeyError::Contention)
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
        role: None,
        is_operator: None,
        orgs: None,
        expires_time: None,
    }
}

fn orgs(reach: &Reach) -> Option<Vec<OrgId>> {
    match reach {
        Reach::Operator => None,
        Reach::Orgs(orgs) => Some(orgs.iter().cloned().collect()),
    }
}

fn info(holder: Holder, used: &BTreeMap<String, Micros>) -> KeyInfo {
    KeyInfo {
        last_used_time: used.get(&format!("key:{}", holder.id)).copied(),
        key_id: holder.id,
        name: holder.name,
        role: holder.role,
        orgs: orgs(&holder.reach),
        created_time: holder.created_time,
        created_by: holder.created_by,
        expires_time: holder.expires_time,
        revoked_time: holder.revoked_time,
    }
}
