//! Why a record, or one value of a list, did not become an event, with what is known of it all the same.

use credwatch_schemas::reject::Reason;
use credwatch_schemas::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: Reason,
    /// One sentence; it never quotes a value.
    pub(crate) detail: String,
    pub(crate) known: Known,
}

/// What could be read before the record was given up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    pub(crate) time: Option<Micros>,
    pub(crate) org_id: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) event_id: Option<String>,
}

impl Rejection {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), known: Known::default() }
    }
}
