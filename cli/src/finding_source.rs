//! Where the commands about findings read and write: the lake's own files, or a server in front of them.

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use credwatch_detectors::triage::{Assignee, Said, Triaged, triage};
use credwatch_detectors::{FindingFilter, Registry, outcomes};
use credwatch_lake::Lake;
use credwatch_query::{Given, Limits, Params, Session, TenantScope};
use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::FindingId;
use credwatch_server::detector_status::{blind_spots, sees, statuses};
use credwatch_server::findings::{List, Shown};
use credwatch_server::reading::{self, LeftOut};
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::remote::Server;
use crate::setting::{OPERATOR, Setting};
use crate::wall_clock::now;

/// The most that a server gives at once.
const PAGE: usize = 1_000;

#[derive(Debug)]
pub(crate) enum FindingSource {
    Files { lake: Lake, scope: TenantScope, registry: Box<Registry> },
    Server(Server),
}

/// Findings, and what must be said beside them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) findings: Vec<Finding>,
    pub(crate) left_out: LeftOut,
    /// Where nothing means nothing.
    pub(crate) not_seen: Vec<String>,
    /// No detector has judged anything yet.
    pub(crate) never_judged: bool,
}

impl FindingSource {
    pub(crate) async fn of(setting: &Setting, writes: bool) -> anyhow::Result<Self> {
        if let Some(server) = setting.server()? {
            return Ok(Self::Server(server));
        }
        let lake = if writes { setting.lake_to_judge().await? } else { setting.lake_to_read().await? };
        Ok(Self::Files { lake, scope: setting.scope.clone(), registry: Box::new(setting.registry()?) })
    }

    pub(crate) async fn current(&self, filter: &FindingFilter) -> anyhow::Result<Seen> {
        match self {
            Self::Files { lake, scope, registry } => {
                let snapshot = lake.snapshot().await?;
                let listed = reading::current(&snapshot, scope.clone(), Limits::default(), filter).await?;
                let statuses = statuses(registry, &outcomes(&snapshot).await?, scope);
                let never_judged = !statuses.is_empty() && statuses.iter().all(|status| status.coverage.is_none());
                let not_seen = blind_spots(&statuses);
                Ok(Seen { findings: listed.findings, left_out: listed.left_out, not_seen, never_judged })
            }
            Self::Server(server) => pages(server, filter).await,
        }
    }

    /// Every revision, the oldest first; none where there is no such finding.
    pub(crate) async fn revisions(&self, id: &FindingId) -> anyhow::Result<Vec<Finding>> {
        match self {
            Self::Files { lake, scope, .. } => {
                let snapshot = lake.snapshot().await?;
                Ok(reading::revisions(&snapshot, scope.clone(), Limits::default(), id).await?)
            }
            Self::Server(server) => Ok(server.get::<Shown>(&["v1", "findings", id.as_str()], &[]).await?.revisions),
        }
    }

    /// The first rows that a finding's own statement returns.
    pub(crate) async fn evidence(&self, finding: &Finding, most: usize) -> anyhow::Result<Vec<RecordBatch>> {
        match self {
            Self::Files { lake, scope, .. } => {
                let session = Session::open(&lake.snapshot().await?, scope.clone(), Limits::default())?;
                let mut stream = session.run(&finding.sql, Params::None).await?;
                let mut first = First { batches: Vec::new(), left: most };
                while first.left > 0 {
                    let Some(batch) = stream.try_next().await? else { break };
                    first.take(&batch);
                }
                Ok(first.batches)
            }
            Self::Server(server) => {
                let mut first = First { batches: Vec::new(), left: most };
                server.columns(&finding.sql, &Given::None).await?.1.iter().for_each(|batch| first.take(batch));
                Ok(first.batches)
            }
        }
    }

    /// The revision that stands once it was said.
    pub(crate) async fn say(&self, id: &FindingId, said: &Said) -> anyhow::Result<Finding> {
        match self {
            Self::Files { lake, scope, .. } => {
                let is_seen = |finding: &Finding| sees(scope, finding.org_id.as_ref());
                match triage(lake, id, None, said, OPERATOR, now(), is_seen).await? {
                    Triaged::Done(finding) => Ok(*finding),
                    Triaged::Unknown => bail!(no_such(id)),
                    Triaged::Refused(why) => Err(crate::args::misuse(why).into()),
                    Triaged::Moved { revision } => bail!("revision {revision} of {id} came first"),
                }
            }
            Self::Server(server) => {
                let revisions = self.revisions(id).await?;
                let looked_at = revisions.last().with_context(|| no_such(id))?.revision;
                let headers = [("if-match", format!("\"{looked_at}\""))];
                server.send(Method::POST, &["v1", "findings", id.as_str(), "triage"], &headers, &body(said)).await
            }
        }
    }
}

pub(crate) fn no_such(id: &FindingId) -> String {
    format!("there is no finding {:?}; `credwatch findings list --all` has them all", id.as_str())
}

/// Rows until there are enough.
struct First {
    batches: Vec<RecordBatch>,
    left: usize,
}

impl First {
    fn take(&mut self, batch: &RecordBatch) {
        let rows = batch.num_rows().min(self.left);
        self.left -= rows;
        if rows > 0 || self.batches.is_empty() {
            self.batches.push(batch.slice(0, rows));
        }
    }
}

async fn pages(server: &Server, filter: &FindingFilter) -> anyhow::Result<Seen> {
    let (mut seen, mut cursor) = (Seen::default(), None);
    loop {
        let list: List = server.get(&["v1", "findings"], &query(filter, cursor)).await?;
        seen.findings.extend(list.findings);
        (seen.left_out, seen.not_seen, cursor) = (list.left_out, list.not_seen, list.next_cursor);
        if cursor.is_none() {
            return Ok(seen);
        }
    }
}

fn query(filter: &FindingFilter, cursor: Option<String>) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("limit", PAGE.to_string()), ("all", filter.with_quiet.to_string())];
    pairs.extend(filter.detector.as_ref().map(|id| ("detector", id.to_string())));
    pairs.extend(filter.status.map(|status| ("status", status.to_string())));
    pairs.extend(filter.severity.map(|severity| ("severity", severity.to_string())));
    pairs.extend(filter.since.map(|since| ("since", since.to_string())));
    pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
    pairs
}

fn body(said: &Said) -> Value {
    let mut body = json!({});
    if let Some(triage) = said.triage {
        body["triage"] = json!(triage);
    }
    if let Some(verdict) = said.verdict {
        body["verdict"] = json!(verdict);
    }
    match &said.assignee {
        None => {}
        Some(Assignee::Nobody) => body["assignee"] = Value::Null,
        Some(Assignee::Somebody(name)) => body["assignee"] = json!(name),
    }
    if let Some(comment) = &said.comment {
        body["comment"] = json!(comment);
    }
    body
}
