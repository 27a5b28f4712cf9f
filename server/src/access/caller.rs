//! The way from somebody recognised to a permit, one step after the other: see the room's own page.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use credwatch_ingest::redact::masked;
use credwatch_query::{Books, TenantScope};
use credwatch_schemas::access::{Reach, Right};
use credwatch_schemas::ids::OrgId;
use regex::Regex;

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
        let scope = match (self.principal.reach(), org) {
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
        Scoped { caller: self, scope: TenantScope::Operator }.may(right)
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
        let role = self.caller.principal.role();
        if !role.may(right) {
            return Err(forbidden(&format!("the role {role} does not have the right {right}")));
        }
        Ok(Permit { caller: self.caller, scope: self.scope })
    }
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
        if self.caller.principal.role().may(Right::ReadAudit) { Books::Open } else { Books::Closed }
    }

    pub(crate) fn reach(&self) -> &Reach {
        self.caller.principal.reach()
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

/// What becomes known about a request on its way, for the audit's row.
#[derive(Debug, Clone, Default)]
pub(super) struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    pub(super) org: Option<OrgId>,
    pub(super) detail: Option<String>,
}

/// Of what is longer the middle is left out: the audit says what was asked, it does not store it.
const LONGEST_DETAIL: usize = 4_096;
const TAIL: usize = 1_024;
const LEFT_OUT: &str = " [...] ";

/// Our own keys keep their id; what else looks like a secret goes as in events.
fn without_secrets(text: &str) -> String {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(cwk_[0-9a-f]{16}_)[0-9a-f]+").ok());
    let text = masked(text);
    KEY.as_ref().map_or_else(String::new, |key| key.replace_all(&text, "${1}[redacted]").into_owned())
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_DETAIL {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(LONGEST_DETAIL - TAIL - LEFT_OUT.len());
    let tail = text.ceil_char_boundary(text.len() - TAIL);
    format!("{}{LEFT_OUT}{}", &text[..head], &text[tail..])
}

impl Note {
    fn org(&self, org: Option<&OrgId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).org = org.cloned();
    }

    pub(super) fn detail(&self, text: &str) {
        let detail = shortened(&without_secrets(text));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).detail = Some(detail);
    }

    pub(super) fn read(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::access::{KeyChange, KeyRow, Role};
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

    #[test]
    fn of_a_long_detail_both_ends_are_kept_so_that_padding_hides_nothing() {
        let note = Note::default();
        for padding in ["x".repeat(10_000), "ä".repeat(10_000), format!("x{}", "ä".repeat(10_000))] {
            note.detail(&format!("/* {padding} */ SELECT 1"));
            let detail = note.read().detail.unwrap();
            assert!(detail.len() <= LONGEST_DETAIL && detail.starts_with("/* ") && detail.ends_with("*/ SELECT 1"));
        }
    }

    #[test]
    fn a_detail_holds_no_key_and_no_token() {
        let (note, key) = (Note::default(), Key::draw().unwrap());
        let text = key.clone().reveal();
        note.detail(&format!("/v1/keys/{text} ghp_abcdefghijklmnopqrstuvwxyz0123456789"));
        let detail = note.read().detail.unwrap();
        assert_eq!(detail, format!("/v1/keys/cwk_{}_[redacted] [redacted]", key.id()));
    }
}
