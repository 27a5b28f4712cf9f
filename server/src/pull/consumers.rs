//! `GET` and `PUT /v1/consumers/{name}/offset`: a cursor that the lake keeps for a client, so that several workers can
//! share one walk, and others see how far it is.
//!
//! A change says which revision it has seen (`If-Match`), or that there is none yet (`If-None-Match: *`): of two workers
//! that finished the same page one is told. The table is small and append-only; when it has many files, the last row of
//! each consumer takes their place.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use credwatch_lake::{Change, Committed, LakeSnapshot, TableName};
use credwatch_query::{Limits, Params, Session, TenantScope};
use credwatch_schemas::consumer::{CONSUMERS, ConsumerRow};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::rows;
use credwatch_schemas::time::Micros;
use datafusion::scalar::ScalarValue;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::asked::{Asked, bad};
use super::cursor::{Cursor, Walk};
use super::reader::Reader;
use super::span::later;
use super::stream::{Filter, Stream};
use super::visit::{mismatch, opened};
use super::walk::{highest_seq, sealed_before};
use crate::access::Permit;
use crate::api::Api;
use crate::problem::Problem;

/// Of one org.
const MOST_CONSUMERS: usize = 100;
const MOST_FILES: usize = 64;
/// Attempts against other writers of the table.
const MOST_ATTEMPTS: usize = 20;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Offset)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offset {
    cursor: String,
}

/// A cursor that is kept for a client, and how far behind it is.
#[utoipa::path(get, path = "/v1/consumers/{name}/offset", tag = "pull", params(("name" = String, Path), ("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's.")), responses((status = OK, body = Object)))]
pub(crate) async fn read(
    State(api): State<Api>,
    Path(name): Path<String>,
    reader: Reader,
    uri: Uri,
) -> Result<Response, Problem> {
    let consumer = Consumer::of(reader, &uri, name)?;
    let snapshot = api.snapshot(&consumer.permit).await?;
    match consumer.last(&snapshot).await? {
        Some(row) => Ok(shown(&row, &snapshot)),
        None => Err(Problem::not_found(format!("there is no consumer {:?}", consumer.name))),
    }
}

/// Keeps a cursor for a client.
#[utoipa::path(put, path = "/v1/consumers/{name}/offset", tag = "pull", params(("name" = String, Path), ("org" = Option<String>, Query, description = "Whose rows: an org that the caller reaches; without it the only one, or everybody's."), ("if-match" = Option<String>, Header, description = "The ETag as it was read."), ("if-none-match" = Option<String>, Header, description = "`*` for a new consumer.")), request_body = Offset, responses((status = OK, body = Object)))]
pub(crate) async fn write(
    State(api): State<Api>,
    Path(name): Path<String>,
    reader: Reader,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Offset>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(offset) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    let consumer = Consumer::of(reader, &uri, name)?;
    let expected = expected(&headers)?;
    let cursor = opened(api.pull.key(&api.lake).await?, &offset.cursor)?;
    for _ in 0..MOST_ATTEMPTS {
        let snapshot = api.snapshot(&consumer.permit).await?;
        let last = consumer.last(&snapshot).await?;
        consumer.check(&snapshot, last.as_ref(), expected, &cursor)?;
        let now = (api.access.clock)();
        let row = consumer.next(last.as_ref(), &cursor, offset.cursor.clone(), now);
        if let Committed::Done { .. } = consumer.commit(&api, &snapshot, last.as_ref(), &row).await? {
            return Ok(shown(&row, &snapshot));
        }
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "many consumers keep their places at this moment"))
}

/// A name within one org, or within the operator's.
struct Consumer {
    scope: TenantScope,
    permit: Permit,
    name: String,
}

impl Consumer {
    fn of(reader: Reader, uri: &Uri, name: String) -> Result<Self, Problem> {
        Asked::of(uri).nothing_left()?;
        let is_plain = |one: u8| one.is_ascii_alphanumeric() || b"._-".contains(&one);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
            return Err(bad("a consumer's name is 1 to 64 letters, digits, dots, dashes and underscores".to_owned()));
        }
        Ok(Self { scope: reader.scope(), permit: reader.permit, name })
    }

    fn org(&self) -> Option<OrgId> {
        match &self.scope {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org.clone()),
        }
    }

    /// The transaction that fences the changes of this consumer. An org's id may hold anything, so its hash stands there.
    fn fence(&self) -> String {
        format!("{}{}", self.fences(), self.name)
    }

    fn fences(&self) -> String {
        let org = self.org();
        let org = org.as_ref().map_or_else(Vec::new, |org| Sha256::digest(org.as_str()).to_vec());
        let org = hex::encode(&org[..org.len().min(8)]);
        format!("consumer/{org}/")
    }

    async fn last(&self, snapshot: &LakeSnapshot) -> Result<Option<ConsumerRow>, Problem> {
        let org = ScalarValue::Utf8(self.org().map(|org| org.as_str().to_owned()));
        let sql =
            "SELECT * FROM consumers WHERE name = $1 AND org_id IS NOT DISTINCT FROM $2 ORDER BY seq DESC LIMIT 1";
        let params = vec![ScalarValue::from(self.name.as_str()), org];
        Ok(rows_of(snapshot, self.scope.clone(), sql, params).await?.into_iter().next())
    }

    fn check(
        &self,
        snapshot: &LakeSnapshot,
        last: Option<&ConsumerRow>,
        expected: Option<i64>,
        cursor: &Cursor,
    ) -> Result<(), Problem> {
        if last.map(|row| row.revision) != expected {
            let found = last.map_or_else(|| "not there".to_owned(), |row| format!("at revision {}", row.revision));
            let detail = format!("the consumer is {found}: read it again");
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "revision_mismatch", detail));
        }
        let beside = Walk::of(cursor.walk.stream(), &self.scope, &Filter::default());
        let same_stream = last.is_none_or(|row| row.stream == cursor.walk.stream().as_str());
        if !cursor.walk.is_beside(&beside) || !same_stream {
            return Err(mismatch());
        }
        let fences = self.fences();
        let names = snapshot.table(&TableName::Consumers).map(credwatch_lake::TableSnapshot::transactions);
        let known = names.map_or(0, |names| names.keys().filter(|name| name.starts_with(&fences)).count());
        if last.is_none() && known >= MOST_CONSUMERS {
            let detail = format!("there are {MOST_CONSUMERS} consumers already");
            return Err(Problem::new(StatusCode::CONFLICT, "too_many_consumers", detail));
        }
        Ok(())
    }

    fn next(&self, last: Option<&ConsumerRow>, cursor: &Cursor, text: String, now: Micros) -> ConsumerRow {
        ConsumerRow {
            org_id: self.org(),
            name: self.name.clone(),
            stream: cursor.walk.stream().as_str().to_owned(),
            cursor: text,
            position: cursor.position,
            revision: last.map_or(1, |row| row.revision + 1),
            seq: None,
            recorded_time: now,
        }
    }

    async fn commit(
        &self,
        api: &Api,
        snapshot: &LakeSnapshot,
        last: Option<&ConsumerRow>,
        row: &ConsumerRow,
    ) -> Result<Committed, Problem> {
        let files = snapshot.table(&TableName::Consumers).map(|table| table.files().to_vec()).unwrap_or_default();
        let folds = files.len() >= MOST_FILES;
        let mut rows = if folds { last_of_each(snapshot).await? } else { Vec::new() };
        rows.push(row.clone());
        let failed = |error: &dyn std::error::Error| Problem::internal("keeping a consumer's place", error);
        let change = Change {
            append: vec![rows::to_batch(&CONSUMERS, &rows).map_err(|error| failed(&error))?],
            replace: folds.then_some(files),
            expect: vec![(self.fence(), last.map(|row| row.revision))],
            set: vec![(self.fence(), row.revision)],
        };
        api.lake.commit(&TableName::Consumers, change, row.recorded_time).await.map_err(|error| failed(&error))
    }
}

async fn last_of_each(snapshot: &LakeSnapshot) -> Result<Vec<ConsumerRow>, Problem> {
    let all = rows_of(snapshot, TenantScope::Operator, "SELECT * FROM consumers ORDER BY seq", Vec::new()).await?;
    let last: BTreeMap<_, _> = all.into_iter().map(|row| ((row.org_id.clone(), row.name.clone()), row)).collect();
    let mut last: Vec<ConsumerRow> = last.into_values().collect();
    last.sort_by_key(|row| row.seq);
    Ok(last)
}

async fn rows_of(
    snapshot: &LakeSnapshot,
    scope: TenantScope,
    sql: &str,
    params: Vec<ScalarValue>,
) -> Result<Vec<ConsumerRow>, Problem> {
    let params = if params.is_empty() { Params::None } else { Params::Positional(params) };
    let session = Session::open(snapshot, scope, Limits::default()).map_err(|error| later(&error))?;
    let mut found = Vec::new();
    let stream = session.run(sql, params).await.map_err(|error| later(&error))?;
    for batch in stream.collect().await.map_err(|error| later(&error))? {
        found.extend(rows::from_batch(&batch).map_err(|error| Problem::internal("reading consumers", &error))?);
    }
    Ok(found)
}

/// The revision that the client has seen; none where it says that there is none.
fn expected(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), None) => {
            let revision = tag.trim().trim_matches('"').parse();
            revision.map(Some).map_err(|_| bad("If-Match is the ETag of the consumer as it was read".to_owned()))
        }
        (None, Some("*")) => Ok(None),
        _ => {
            let detail = "say If-Match with the ETag that was read, or If-None-Match: * for a new consumer";
            Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "revision_required", detail))
        }
    }
}

fn shown(row: &ConsumerRow, snapshot: &LakeSnapshot) -> Response {
    let head = Stream::parse(&row.stream).map_or(0, |stream| highest_seq(snapshot, stream));
    let body = json!({
        "name": row.name,
        "stream": row.stream,
        "cursor": row.cursor,
        "position": row.position,
        // Numbers, of which some are of other orgs' rows: an upper bound.
        "behind_at_most": head.saturating_sub(row.position).max(0),
        "recorded_time": row.recorded_time,
        "settled_until": sealed_before(snapshot),
    });
    ([(header::ETAG, format!("\"{}\"", row.revision))], Json(body)).into_response()
}
