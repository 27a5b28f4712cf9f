//! Which grants the claims of a token have. Pure.

use serde_json::{Map, Value};

use super::grants::Grant;

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
    use credwatch_schemas::access::{GrantChange, GrantRow, Role};
    use credwatch_schemas::ids::{GrantId, OrgId};
    use credwatch_schemas::time::Micros;
    use serde_json::json;

    use super::super::grants::{change, standing};
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
