//! Whose rows may be seen.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::records::column;
use datafusion::prelude::{Expr, col, lit};

/// Required to open a session; there is no default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantScope {
    /// Every row, also those without an org.
    Operator,
    /// Rows of this org and no others. Rows without an org are the operator's.
    Org(OrgId),
}

impl TenantScope {
    /// What a row must fulfil to be seen.
    pub(crate) fn condition(&self) -> Option<Expr> {
        match self {
            Self::Operator => None,
            Self::Org(org) => Some(col(column::ORG_ID).eq(lit(org.as_str()))),
        }
    }

    pub(crate) fn is_operator(&self) -> bool {
        matches!(self, Self::Operator)
    }
}

/// Whether the books that credwatch keeps about itself, the tables `audit` and `keys`, lie open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Books {
    Closed,
    /// Of `audit` the rows of the scope; `keys` for the operator, without what a key is recognised by.
    Open,
}
