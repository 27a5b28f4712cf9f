//! Whose rows a request reads: one org (`?org=`), or everybody's as the operator of this machine.

use credwatch_query::TenantScope;
use credwatch_schemas::ids::OrgId;

pub(crate) fn scope(org: Option<&str>) -> TenantScope {
    match org {
        Some(id) => TenantScope::Org(OrgId::new(id)),
        None => TenantScope::Operator,
    }
}
