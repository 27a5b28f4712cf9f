//! The way from somebody recognised to a permit, one step after the other: see the room's own page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use credwatch_query::{Books, TenantScope};
use credwatch_schemas::access::{Reach, Right, Role};
use credwatch_schemas::ids::OrgId;

use super::note::Note;
use super::principal::Principal;
use crate::problem::Problem;

/// Somebody recognised, about to say what they want. Handlers get it from the gate alone.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    principal: Arc<Principal>,
    note: Note,
}

/// Somebody recognised, and whose rows they mean.
#[derive(Debug)]
#[must_use]
pub(crate) struct Scoped {
    caller: Caller,
    scope: TenantScope,
}

/// Somebody who may do what they asked for, to whose rows they asked for.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Permit {
    caller: Caller,
    scope: TenantScope,
    /// What they are to those rows.
    role: Role,
    /// Every row that they may do the same to.
    reach: Reach,
}

impl Caller {
    pub(super) fn new(principal: Principal, note: Note) -> Self {
        Self { principal: Arc::new(principal), note }
    }

    /// Whom the gate has recognised in this request.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        let unguarded = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this route has no gate");
        parts.extensions.get::<Self>().cloned().ok_or_else(unguarded)
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whose rows are meant: an org's, where one is named or only one can be meant, else everybody's.
    pub(crate) fn within(self, org: Option<&str>) -> Result<Scoped, Problem> {
        let org = org.map(OrgId::new);
        let scope = match (&self.principal.reach(), org) {
            (Reach::Operator, None) => TenantScope::Operator,
            (Reach::Operator, Some(org)) => TenantScope::Org(org),
            (Reach::Orgs(orgs), Some(org)) if orgs.contains(&org) => TenantScope::Org(org),
            (Reach::Orgs(_), Some(_)) => return Err(forbidden("this key does not reach that org")),
            (Reach::Orgs(orgs), None) => TenantScope::Org(only(orgs)?),
        };
        if let TenantScope::Org(org) = &scope {
            self.note.org(Some(org));
        }
        Ok(Scoped { caller: self, scope })
    }

    /// For what is nobody's row: keys and metrics. Whoever reaches some orgs only is held to them by [`Permit::reach`].
    pub(crate) fn beyond_orgs(self, right: Right) -> Result<Permit, Problem> {
        let holds = self.principal.holdings().iter().find(|holding| holding.role.may(right));
        match (holds.map(|holding| holding.role), self.principal.reach_with(right)) {
            (Some(role), Some(reach)) => Ok(Permit { caller: self, scope: TenantScope::Operator, role, reach }),
            _ => Err(lacking(self.principal.role(), right)),
        }
    }
}

fn only(orgs: &std::collections::BTreeSet<OrgId>) -> Result<OrgId, Problem> {
    match orgs.iter().next() {
        Some(org) if orgs.len() == 1 => Ok(org.clone()),
        _ => Err(Problem::bad_request("org_needed", "this key reaches several orgs: name one with ?org=")),
    }
}

impl Scoped {
    pub(crate) fn may(self, right: Right) -> Result<Permit, Problem> {
        let role = self.caller.principal.role_in(&self.scope).ok_or_else(|| forbidden("nobody's rows are reached"))?;
        match self.caller.principal.reach_with(right).filter(|_| role.may(right)) {
            Some(reach) => Ok(Permit { caller: self.caller, scope: self.scope, role, reach }),
            None => Err(lacking(role, right)),
        }
    }
}

fn lacking(role: Role, right: Right) -> Problem {
    forbidden(&format!("the role {role} does not have the right {right}"))
}

fn forbidden(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", why)
}

impl Permit {
    pub(crate) fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// Whether statements see the tables `audit` and `keys`.
    pub(crate) fn books(&self) -> Books {
        if self.role.may(Right::ReadAudit) { Books::Open } else { Books::Closed }
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// As tables name whoever holds it.
    pub(crate) fn principal(&self) -> String {
        self.caller.principal.id()
    }

    /// What is asked in particular, for the audit's row.
    pub(crate) fn says(&self, detail: &str) {
        self.caller.note.detail(detail);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::access::{KeyChange, KeyRow};
    use credwatch_schemas::time::Micros;

    use super::*;
    use crate::access::holder::holders;
    use crate::access::key::Key;

    fn caller(role: Role, orgs: Option<&[&str]>) -> Caller {
        let key = Key::draw().unwrap();
        let row = KeyRow {
            seq: None,
            recorded_time: Micros(0),
            key_id: key.id(),
            change: KeyChange::Created,
            changed_by: "operator".into(),
            name: None,
            hash: Some(key.hash()),
            scram: None,
            public_key: None,
            role: Some(role),
            is_operator: Some(orgs.is_none()),
            orgs: orgs.map(|orgs| orgs.iter().map(|org| OrgId::new(*org)).collect()),
            expires_time: None,
        };
        Caller::new(Principal::holding(&holders(&[row])[&key.id()]), Note::default())
    }

    fn scope(orgs: Option<&[&str]>, asked: Option<&str>) -> Option<TenantScope> {
        caller(Role::Viewer, orgs).within(asked).ok().map(|scoped| scoped.scope)
    }

    #[test]
    fn a_key_of_an_org_means_that_org_and_reaches_no_other() {
        let a = TenantScope::Org(OrgId::new("org_a"));
        assert_eq!(scope(Some(&["org_a"]), None), Some(a.clone()));
        assert_eq!(scope(Some(&["org_a"]), Some("org_a")), Some(a));
        assert_eq!(scope(Some(&["org_a"]), Some("org_b")), None);
        assert_eq!(scope(Some(&["org_a"]), Some("")), None);
    }

    #[test]
    fn a_key_of_several_orgs_must_say_which_one_it_means() {
        assert_eq!(scope(Some(&["org_a", "org_b"]), None), None);
        let b = TenantScope::Org(OrgId::new("org_b"));
        assert_eq!(scope(Some(&["org_a", "org_b"]), Some("org_b")), Some(b));
    }

    #[test]
    fn only_the_operator_means_everybody() {
        assert_eq!(scope(None, None), Some(TenantScope::Operator));
        assert_eq!(scope(None, Some("org_b")), Some(TenantScope::Org(OrgId::new("org_b"))));
    }

    #[test]
    fn a_right_that_the_role_lacks_is_refused_by_name() {
        let permit = |role| caller(role, None).within(None).unwrap().may(Right::RunSql);
        assert!(permit(Role::Analyst).is_ok());
        let refused = permit(Role::Viewer).unwrap_err();
        assert!(format!("{refused:?}").contains("the role viewer does not have the right run-sql"), "{refused:?}");
    }
}
