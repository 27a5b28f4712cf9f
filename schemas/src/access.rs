//! Who may do what: roles, what each may do, whose rows somebody reaches, and the rows of the tables `keys` and `access_grants`.
//!
//! Both tables are append-only: what one row gives another takes away, and nothing undoes that. `keys` holds no secret,
//! only the hash of one; no statement sees even that.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::event::timestamp;
use crate::ids::{GrantId, KeyId, OrgId};
use crate::time::Micros;
use crate::words::words;

words! {
    /// What somebody is to credwatch. [`Role::rights`] is the only place that says what that allows.
    Role {
        Viewer = "viewer",
        Analyst = "analyst",
        Exporter = "exporter",
        DetectorAuthor = "detector-author",
        Auditor = "auditor",
        Admin = "admin",
    }
    /// One thing that can be allowed.
    Right {
        ReadFindings = "read-findings",
        RunSql = "run-sql",
        PullEvents = "pull-events",
        Triage = "triage",
        ChangeDetectors = "change-detectors",
        ReadAudit = "read-audit",
        ManageKeys = "manage-keys",
        ReadMetrics = "read-metrics",
    }
    /// What a row of `keys` does to its key.
    KeyChange { Created = "created", Revoked = "revoked", }
    /// What a row of `access_grants` does to its grant.
    GrantChange { Granted = "granted", Withdrawn = "withdrawn", }
}

impl Role {
    /// The table of rights. Its twin for people stands in `docs/access.md`, and a test holds the two equal.
    pub fn rights(self) -> &'static [Right] {
        use Right::*;
        match self {
            Self::Viewer => &[ReadFindings],
            Self::Analyst => &[ReadFindings, RunSql, PullEvents, Triage],
            Self::Exporter => &[ReadFindings, PullEvents, ReadMetrics],
            Self::DetectorAuthor => &[ReadFindings, RunSql, ChangeDetectors],
            Self::Auditor => &[ReadFindings, RunSql, ReadAudit, ReadMetrics],
            Self::Admin => Right::ALL,
        }
    }

    pub fn may(self, right: Right) -> bool {
        self.rights().contains(&right)
    }
}

/// Whose rows somebody can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's, also rows without an org.
    Operator,
    /// These orgs' and no others.
    Orgs(BTreeSet<OrgId>),
}

impl Reach {
    /// As rows and documents say it; `None` is every org, and rows without one.
    pub fn orgs(&self) -> Option<Vec<OrgId>> {
        match self {
            Self::Operator => None,
            Self::Orgs(orgs) => Some(orgs.iter().cloned().collect()),
        }
    }

    /// Whether everything that the other reaches is reached here too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Operator, _) => true,
            (Self::Orgs(_), Self::Operator) => false,
            (Self::Orgs(ours), Self::Orgs(theirs)) => theirs.is_subset(ours),
        }
    }
}

/// One row of `keys`. A row of [`KeyChange::Revoked`] says nothing but which key, when and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
    pub key_id: KeyId,
    pub change: KeyChange,
    /// The principal that made the change.
    pub changed_by: String,
    /// What people call it.
    pub name: Option<String>,
    /// SHA-256 of the whole key, in hex.
    pub hash: Option<String>,
    /// What Postgres' clients prove the key against, as Postgres itself keeps it:
    /// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. Keys without one open no Postgres connection.
    pub scram: Option<String>,
    /// PEM of the public key that a machine proves itself by, in place of a secret; then there is no hash.
    pub public_key: Option<String>,
    pub role: Option<Role>,
    /// True: it reaches every org, and rows without one.
    pub is_operator: Option<bool>,
    /// Otherwise: the orgs that it reaches.
    pub orgs: Option<Vec<OrgId>>,
    pub expires_time: Option<Micros>,
}

/// The columns of the table `keys`.
pub static KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let orgs = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::Int64, true),
        Field::new("recorded_time", timestamp(), true),
        text("key_id"),
        text("change"),
        text("changed_by"),
        text("name"),
        text("hash"),
        text("scram"),
        text("public_key"),
        text("role"),
        Field::new("is_operator", DataType::Boolean, true),
        Field::new("orgs", orgs, true),
        Field::new("expires_time", timestamp(), true),
    ]))
});

/// One row of `access_grants`: whoever brings a token of the issuer with this claim has this role and reach. A row of
/// [`GrantChange::Withdrawn`] says nothing but which grant, when and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Order of recording; stamped by the lake.
    pub seq: Option<i64>,
    pub recorded_time: Micros,
    pub grant_id: GrantId,
    pub change: GrantChange,
    /// The principal that made the change.
    pub changed_by: String,
    /// The claim's name, such as `groups`; one within others is reached with points, such as `realm_access.roles`.
    pub claim: Option<String>,
    /// What the claim is, or has among its values.
    pub value: Option<String>,
    pub role: Option<Role>,
    /// True: it reaches every org, and rows without one.
    pub is_operator: Option<bool>,
    /// Otherwise: the orgs that it reaches.
    pub orgs: Option<Vec<OrgId>>,
}

/// The columns of the table `access_grants`.
pub static GRANTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let orgs = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::Int64, true),
        Field::new("recorded_time", timestamp(), true),
        text("grant_id"),
        text("change"),
        text("changed_by"),
        text("claim"),
        text("value"),
        text("role"),
        Field::new("is_operator", DataType::Boolean, true),
        Field::new("orgs", orgs, true),
    ]))
});

/// The reach that two columns say; `None` where they say none, which reaches nothing.
pub fn reach(is_operator: Option<bool>, orgs: Option<&[OrgId]>) -> Option<Reach> {
    match (is_operator, orgs.unwrap_or_default()) {
        (Some(true), _) => Some(Reach::Operator),
        (_, []) => None,
        (_, orgs) => Some(Reach::Orgs(orgs.iter().cloned().collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{from_batch, to_batch};

    fn orgs(names: &[&str]) -> Reach {
        Reach::Orgs(names.iter().map(|name| OrgId::new(*name)).collect())
    }

    #[test]
    fn nobody_reaches_further_than_the_one_who_lets_them() {
        assert!(Reach::Operator.covers(&orgs(&["org_a"])));
        assert!(orgs(&["org_a", "org_b"]).covers(&orgs(&["org_a"])));
        assert!(!orgs(&["org_a"]).covers(&orgs(&["org_a", "org_b"])));
        assert!(!orgs(&["org_a"]).covers(&Reach::Operator));
    }

    #[test]
    fn the_documented_table_of_rights_is_the_one_that_holds() {
        let page = include_str!("../../docs/access.md");
        let cells =
            |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let mut lines = page.lines().skip_while(|line| !line.starts_with("| right |"));
        let roles: Vec<Role> =
            cells(lines.next().unwrap())[2..].iter().map(|name| Role::parse(name).unwrap()).collect();
        assert_eq!(roles, Role::ALL);
        let rows: Vec<_> = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
        let rights: Vec<Right> = rows.iter().map(|row| Right::parse(&row[0]).unwrap()).collect();
        assert_eq!(rights, Right::ALL);
        for (row, right) in rows.iter().zip(rights) {
            for (cell, role) in row[2..].iter().zip(&roles) {
                assert_eq!(cell == "yes", role.may(right), "{role} {right}");
            }
        }
    }

    #[test]
    fn every_right_is_somebodys_besides_the_admins_or_is_about_keys() {
        for right in Right::ALL {
            let others = Role::ALL.iter().filter(|role| **role != Role::Admin && role.may(*right)).count();
            assert!(others > 0 || *right == Right::ManageKeys, "{right}");
        }
    }

    #[test]
    fn a_row_of_a_key_survives_its_table() {
        let created = KeyRow {
            seq: Some(1),
            recorded_time: Micros(5),
            key_id: KeyId::new("ab"),
            change: KeyChange::Created,
            changed_by: "operator".into(),
            name: Some("siem".into()),
            hash: Some("00".into()),
            scram: Some("SCRAM-SHA-256$1:a$b:c".into()),
            public_key: Some("-----BEGIN PUBLIC KEY-----".into()),
            role: Some(Role::DetectorAuthor),
            is_operator: Some(false),
            orgs: Some(vec![OrgId::new("org_a")]),
            expires_time: Some(Micros(9)),
        };
        let revoked = KeyRow {
            change: KeyChange::Revoked,
            name: None,
            hash: None,
            scram: None,
            public_key: None,
            role: None,
            is_operator: None,
            orgs: None,
            expires_time: None,
            ..created.clone()
        };
        let rows = [created, revoked];
        assert_eq!(from_batch::<KeyRow>(&to_batch(&KEYS, &rows).unwrap()).unwrap(), rows);
    }

    #[test]
    fn a_row_of_a_grant_survives_its_table() {
        let granted = GrantRow {
            seq: Some(1),
            recorded_time: Micros(5),
            grant_id: GrantId::new("ab"),
            change: GrantChange::Granted,
            changed_by: "operator".into(),
            claim: Some("groups".into()),
            value: Some("secops".into()),
            role: Some(Role::Analyst),
            is_operator: Some(false),
            orgs: Some(vec![OrgId::new("org_a")]),
        };
        let rows = [granted];
        assert_eq!(from_batch::<GrantRow>(&to_batch(&GRANTS, &rows).unwrap()).unwrap(), rows);
    }

    #[test]
    fn who_says_no_org_reaches_nothing() {
        assert_eq!(reach(None, None), None);
        assert_eq!(reach(Some(false), Some(&[])), None);
        assert_eq!(reach(Some(true), None), Some(Reach::Operator));
        assert_eq!(reach(None, Some(&[OrgId::new("org_a")])), Some(orgs(&["org_a"])));
    }
}
