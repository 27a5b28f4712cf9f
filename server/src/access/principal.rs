//! Who asks.

use std::collections::BTreeSet;

use credwatch_query::TenantScope;
use credwatch_schemas::access::{Reach, Right, Role};
use credwatch_schemas::ids::KeyId;

use super::grants::Grant;
use super::holder::Holder;

/// Somebody whom the gate has recognised; there is no other way to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    who: Who,
    /// Never empty; where several reach a row, the first says what may be done.
    holdings: Vec<Holding>,
}

/// A role over some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) role: Role,
    pub(crate) reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// Whoever can reach a loopback listener that asks for no key.
    Local,
    Key {
        id: KeyId,
        name: String,
    },
    /// Whom the trusted issuer calls so.
    Person {
        subject: String,
        name: Option<String>,
    },
}

impl Principal {
    pub(super) fn local() -> Self {
        Self { who: Who::Local, holdings: vec![Holding { role: Role::Admin, reach: Reach::Operator }] }
    }

    pub(super) fn holding(holder: &Holder) -> Self {
        let who = Who::Key { id: holder.id.clone(), name: holder.name.clone() };
        Self { who, holdings: vec![Holding { role: holder.role, reach: holder.reach.clone() }] }
    }

    /// `None` where nothing is granted.
    pub(super) fn granted(subject: String, name: Option<String>, grants: &[&Grant]) -> Option<Self> {
        let holding = |grant: &&Grant| Holding { role: grant.role, reach: grant.reach.clone() };
        let holdings: Vec<Holding> = grants.iter().map(holding).collect();
        (!holdings.is_empty()).then_some(Self { who: Who::Person { subject, name }, holdings })
    }

    /// As tables name it: `local`, `key:<id>` or `oidc:<subject>`.
    pub(crate) fn id(&self) -> String {
        match &self.who {
            Who::Local => "local".to_owned(),
            Who::Key { id, .. } => format!("key:{id}"),
            Who::Person { subject, .. } => format!("oidc:{subject}"),
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.who {
            Who::Local => None,
            Who::Key { name, .. } => Some(name),
            Who::Person { name, .. } => name.as_deref(),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.who == Who::Local
    }

    pub(crate) fn holdings(&self) -> &[Holding] {
        &self.holdings
    }

    /// The first of their roles: what the audit says.
    pub(crate) fn role(&self) -> Role {
        self.holdings.first().map_or(Role::Viewer, |holding| holding.role)
    }

    /// What they are to these rows.
    pub(crate) fn role_in(&self, scope: &TenantScope) -> Option<Role> {
        let covers = |holding: &&Holding| match (&holding.reach, scope) {
            (Reach::Operator, _) => true,
            (Reach::Orgs(_), TenantScope::Operator) => false,
            (Reach::Orgs(orgs), TenantScope::Org(org)) => orgs.contains(org),
        };
        self.holdings.iter().find(covers).map(|holding| holding.role)
    }

    /// Every row that they reach in any of their roles.
    pub(crate) fn reach(&self) -> Reach {
        together(self.holdings.iter())
    }

    /// Every row that they reach in a role with this right; `None` where there is no such role.
    pub(crate) fn reach_with(&self, right: Right) -> Option<Reach> {
        let may = |holding: &&Holding| holding.role.may(right);
        self.holdings.iter().any(|holding| may(&holding)).then(|| together(self.holdings.iter().filter(may)))
    }
}

fn together<'a>(holdings: impl Iterator<Item = &'a Holding>) -> Reach {
    let mut all = BTreeSet::new();
    for holding in holdings {
        match &holding.reach {
            Reach::Operator => return Reach::Operator,
            Reach::Orgs(orgs) => all.extend(orgs.iter().cloned()),
        }
    }
    Reach::Orgs(all)
}
