//! What the rows of `keys` say about each key. Pure.
//!
//! The first row that creates a key is the key; a row that revokes it is final, wherever it stands. A key
//! that says neither its orgs nor that it is the operator's opens nothing.

use std::collections::BTreeMap;

use credwatch_schemas::access::{KeyChange, KeyRow, Reach, Role, reach};
use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::Micros;

use super::key::Key;

/// A key as the table knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub id: KeyId,
    pub name: String,
    pub role: Role,
    pub reach: Reach,
    pub created_time: Micros,
    pub created_by: String,
    pub expires_time: Option<Micros>,
    pub revoked_time: Option<Micros>,
    hash: Option<String>,
    scram: Option<String>,
    public_key: Option<String>,
}

/// What a key that somebody brings turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recognised<'a> {
    Good(&'a Holder),
    Unknown,
    Expired,
    Revoked,
}

pub(crate) type Holders = BTreeMap<KeyId, Holder>;

/// Rows in the order of their `seq`.
pub(crate) fn holders(rows: &[KeyRow]) -> Holders {
    let mut holders = Holders::new();
    for created in rows.iter().filter_map(created) {
        holders.entry(created.id.clone()).or_insert(created);
    }
    for row in rows.iter().filter(|row| row.change == KeyChange::Revoked) {
        if let Some(holder) = holders.get_mut(&row.key_id) {
            holder.revoked_time.get_or_insert(row.recorded_time);
        }
    }
    holders
}

fn created(row: &KeyRow) -> Option<Holder> {
    (row.change == KeyChange::Created).then_some(())?;
    Some(Holder {
        id: row.key_id.clone(),
        name: row.name.clone().unwrap_or_default(),
        role: row.role?,
        reach: reach(row.is_operator, row.orgs.as_deref())?,
        created_time: row.recorded_time,
        created_by: row.changed_by.clone(),
        expires_time: row.expires_time,
        revoked_time: None,
        hash: row.hash.clone(),
        scram: row.scram.clone(),
        public_key: row.public_key.clone(),
    })
}

/// Whose key it is at `now`. Only who has the whole key learns that it was revoked or has expired.
pub(crate) fn recognise<'a>(holders: &'a Holders, key: &Key, now: Micros) -> Recognised<'a> {
    match holders.get(&key.id()).filter(|holder| holder.hash.as_deref().is_some_and(|hash| key.has_hash(hash))) {
        None => Recognised::Unknown,
        Some(_) => recognise_again(holders, &key.id(), now),
    }
}

/// The same for somebody who has proven to have the key of this id.
pub(crate) fn recognise_again<'a>(holders: &'a Holders, id: &KeyId, now: Micros) -> Recognised<'a> {
    match holders.get(id) {
        None => Recognised::Unknown,
        Some(holder) if holder.revoked_time.is_some() => Recognised::Revoked,
        Some(holder) if holder.expires_time.is_some_and(|expires| expires <= now) => Recognised::Expired,
        Some(holder) => Recognised::Good(holder),
    }
}

impl Holder {
    /// What a proof of the key is checked against.
    pub(super) fn scram(&self) -> Option<&str> {
        self.scram.as_deref()
    }

    /// What a signature of its holder is checked against, in PEM.
    pub(super) fn public_key(&self) -> Option<&str> {
        self.public_key.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::ids::OrgId;

    use super::*;

    fn row(key: &Key) -> KeyRow {
        KeyRow {
            seq: None,
            recorded_time: Micros(10),
            key_id: key.id(),
            change: KeyChange::Created,
            changed_by: "operator".into(),
            name: Some("siem".into()),
            hash: Some(key.hash()),
            scram: None,
            public_key: None,
            role: Some(Role::Exporter),
            is_operator: Some(false),
            orgs: Some(vec![OrgId::new("org_a")]),
            expires_time: Some(Micros(100)),
        }
    }

    fn revoked(key: &Key) -> KeyRow {
        KeyRow { change: KeyChange::Revoked, recorded_time: Micros(50), hash: None, role: None, ..row(key) }
    }

    fn is_good(rows: &[KeyRow], key: &Key, now: i64) -> bool {
        matches!(recognise(&holders(rows), key, Micros(now)), Recognised::Good(_))
    }

    #[test]
    fn a_key_is_good_until_it_expires() {
        let key = Key::draw().unwrap();
        assert!(is_good(&[row(&key)], &key, 99));
        assert_eq!(recognise(&holders(&[row(&key)]), &key, Micros(100)), Recognised::Expired);
    }

    #[test]
    fn a_revocation_is_final_even_if_the_key_is_created_again_after_it() {
        let key = Key::draw().unwrap();
        for rows in [[row(&key), revoked(&key), row(&key)], [revoked(&key), row(&key), row(&key)]] {
            assert_eq!(recognise(&holders(&rows), &key, Micros(60)), Recognised::Revoked);
        }
    }

    #[test]
    fn the_id_of_a_key_alone_opens_nothing_and_tells_nothing() {
        let (key, other) = (Key::draw().unwrap(), Key::draw().unwrap());
        let guess = Key::parse(&format!("cwk_{}_{}", key.id(), &other.reveal()[21..])).unwrap();
        assert_eq!(recognise(&holders(&[row(&key), revoked(&key)]), &guess, Micros(60)), Recognised::Unknown);
    }

    #[test]
    fn a_key_without_orgs_that_is_not_the_operators_opens_nothing() {
        let key = Key::draw().unwrap();
        for orgs in [None, Some(Vec::new())] {
            let unclear = KeyRow { orgs: orgs.clone(), ..row(&key) };
            assert!(!is_good(&[unclear], &key, 0));
            let unsaid = KeyRow { orgs, is_operator: None, ..row(&key) };
            assert!(!is_good(&[unsaid], &key, 0));
        }
    }

    #[test]
    fn the_first_row_of_a_key_is_the_key() {
        let key = Key::draw().unwrap();
        let higher = KeyRow { role: Some(Role::Admin), is_operator: Some(true), ..row(&key) };
        assert_eq!(holders(&[row(&key), higher])[&key.id()].role, Role::Exporter);
    }
}
