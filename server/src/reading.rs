//! Findings as one scope sees them. Both the API and the command line read them here, through a session that holds
//! nothing but the scope's rows; there is no second way.

use credwatch_detectors::FindingFilter;
use credwatch_lake::LakeSnapshot;
use credwatch_query::{Limits, Params, QueryError, Session, TenantScope};
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::rows;
use datafusion::scalar::ScalarValue;
use utoipa::ToSchema;

/// Current findings that a filter takes, and how many it left out because they are quiet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    pub findings: Vec<Finding>,
    pub left_out: LeftOut,
}

/// Quiet findings that a list would have had with "all".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct LeftOut {
    pub digest: usize,
    pub suppressed: usize,
    pub withdrawn: usize,
}

/// The last revision of every finding that the filter takes, in no particular order.
pub async fn current(
    snapshot: &LakeSnapshot,
    scope: TenantScope,
    limits: Limits,
    filter: &FindingFilter,
) -> Result<Listed, QueryError> {
    let all = read(snapshot, scope, limits, "SELECT * FROM findings_current", Params::None).await?;
    Ok(divide(all, filter))
}

/// Every revision of one finding, the oldest first; none when the scope has no such finding.
pub async fn revisions(
    snapshot: &LakeSnapshot,
    scope: TenantScope,
    limits: Limits,
    id: &FindingId,
) -> Result<Vec<Finding>, QueryError> {
    let params = Params::Positional(vec![ScalarValue::Utf8(Some(id.as_str().to_owned()))]);
    let sql = "SELECT * FROM findings WHERE finding_id = $1 ORDER BY revision";
    read(snapshot, scope, limits, sql, params).await
}

async fn read(
    snapshot: &LakeSnapshot,
    scope: TenantScope,
    limits: Limits,
    sql: &str,
    params: Params,
) -> Result<Vec<Finding>, QueryError> {
    let session = Session::open(snapshot, scope, limits)?;
    let mut findings = Vec::new();
    for batch in session.run(sql, params).await?.collect().await? {
        findings.extend(rows::from_batch::<Finding>(&batch).map_err(|error| {
            tracing::error!(%error, "a row of findings is no finding");
            QueryError::Storage
        })?);
    }
    Ok(findings)
}

fn divide(all: Vec<Finding>, filter: &FindingFilter) -> Listed {
    let with_quiet = FindingFilter { with_quiet: true, ..filter.clone() };
    let mut listed = Listed::default();
    for finding in all.into_iter().filter(|finding| with_quiet.takes(finding)) {
        if filter.takes(&finding) {
            listed.findings.push(finding);
        } else {
            listed.left_out.count(finding.status);
        }
    }
    listed
}

impl LeftOut {
    fn count(&mut self, status: Status) {
        match status {
            Status::Digest => self.digest += 1,
            Status::Suppressed => self.suppressed += 1,
            Status::Withdrawn => self.withdrawn += 1,
            Status::Open | Status::Resolved => {}
        }
    }

    pub fn total(self) -> usize {
        self.digest + self.suppressed + self.withdrawn
    }
}
