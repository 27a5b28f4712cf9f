//! A lake on disk with events and findings, and a server over it that can be replaced by another one at any moment.

use std::io::Cursor;

use arrow::json::ReaderBuilder;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use credwatch_detectors::Registry;
use credwatch_lake::{Access, Appended, Change, Committed, Lake, TableName};
use credwatch_query::Limits;
use credwatch_schemas::access::{Reach, Role};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::finding::{FINDINGS, Finding};
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::Micros;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::access::{Door, Draft, Keys};
use crate::api::{Api, routes};
use crate::background::Board;

pub(super) struct World {
    folder: TempDir,
    pub(super) lake: Lake,
    pub(super) api: Api,
    offset: i64,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

/// What of a record matters here.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) org: &'static str,
    pub(super) kind: &'static str,
    /// Days after the first; files are by day.
    pub(super) day: i64,
    pub(super) is_accepted: bool,
    /// Of a field of it.
    pub(super) bytes: usize,
}

pub(super) fn record(org: &'static str, kind: &'static str) -> Record {
    Record { org, kind, day: 0, is_accepted: true, bytes: 10 }
}

pub(super) fn time(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(&folder).await;
        let api = api(&lake);
        Self { folder, lake, api, offset: 0 }
    }

    /// A key that may pull.
    pub(super) async fn key(&self) -> String {
        let draft = Draft { name: "siem".into(), role: Role::Exporter, reach: Reach::Operator, expires_time: None };
        Keys::new(self.lake.clone()).create(&draft, "operator", now()).await.unwrap().reveal()
    }

    /// Another server process over the same tables.
    pub(super) async fn restart(&mut self) {
        self.lake = open(&self.folder).await;
        self.api = api(&self.lake);
    }

    /// One commit; the ids of its events.
    pub(super) async fn append(&mut self, records: &[Record], now: Micros) -> Vec<String> {
        let first = self.offset;
        let rows: Vec<String> = (first..).zip(records).map(|(offset, record)| row(offset, record)).collect();
        self.offset += records.len() as i64;
        let mut reader =
            ReaderBuilder::new(UNDATED.clone()).with_batch_size(100_000).build(Cursor::new(rows.join("\n"))).unwrap();
        let rows = reader.next().unwrap().unwrap();
        let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
        let base = (first > 0).then_some(first);
        let progress = vec![Progress { partition, base, end: self.offset, clock: None }];
        let appended = self.lake.append(ValidBatch::new(rows, progress).unwrap(), now).await.unwrap();
        assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
        (first..)
            .zip(records)
            .filter(|(_, record)| record.is_accepted)
            .map(|(offset, _)| format!("e{offset}"))
            .collect()
    }

    pub(super) async fn append_findings(&self, findings: &[Finding]) {
        let rows = to_batch(&FINDINGS, findings).unwrap();
        let change = Change { append: vec![rows], ..Change::default() };
        let committed = self.lake.commit(&TableName::Findings, change, Micros(1)).await.unwrap();
        assert!(matches!(committed, Committed::Done { .. }));
    }

    /// As a purge does it: files go, and no `seq` moves.
    pub(super) async fn purge_first_file_of_findings(&self) {
        let snapshot = self.lake.snapshot().await.unwrap();
        let mut files = snapshot.table(&TableName::Findings).unwrap().files().to_vec();
        files.sort_by_key(|file| file.seq_range());
        let change = Change { replace: Some(files[..1].to_vec()), ..Change::default() };
        let committed = self.lake.commit(&TableName::Findings, change, Micros(1)).await.unwrap();
        assert!(matches!(committed, Committed::Done { .. }));
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(super) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, Body::empty()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.ask(method, path, &headers, Body::from(body.to_string())).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        // An absolute address is followed as a client follows it: the host is the client's business.
        let path = path.strip_prefix("http://localhost").unwrap_or(path);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = routes(self.api.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 128 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The address behind rel="next".
    pub(super) fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        Some(link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned())
    }

    /// Of the array `items`, or of the bare array.
    pub(super) fn ids(&self) -> Vec<String> {
        let json = self.json();
        let items = json.as_array().or_else(|| json["items"].as_array()).unwrap_or_else(|| panic!("no rows: {json}"));
        items.iter().map(id).collect()
    }

    pub(super) fn cursor(&self) -> String {
        self.json()["cursor"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(super) fn is_problem(&self, status: StatusCode, code: &str) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.json()["code"], code);
        assert_eq!(self.header("link"), None, "an error names no next page");
    }
}

pub(super) fn id(item: &Value) -> String {
    item["event_id"].as_str().or_else(|| item["finding_id"].as_str()).unwrap().to_owned()
}

async fn open(folder: &TempDir) -> Lake {
    Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap()
}

fn api(lake: &Lake) -> Api {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    Api::new(
        lake.clone(),
        Registry::default(),
        Limits::default(),
        Board::default(),
        metrics,
        Door::LocalIsOperator,
        now,
    )
}

#[expect(clippy::disallowed_methods, reason = "how often a reader asks is counted by the minute of the wall clock")]
fn now() -> Micros {
    Micros(chrono::Utc::now().timestamp_micros())
}

/// In the year 11983: no clock of a producer's is checked but that of the event.
pub(super) const FAR: i64 = 316_000_000_000_000_000;

fn row(offset: i64, record: &Record) -> String {
    let day = 1 + record.day;
    let mut row = json!({
        "disposition": "accepted", "date": format!("2026-06-{day:02}"), "kafka_topic": "audit", "kafka_topic_id": "t1",
        "kafka_partition": 0, "kafka_offset": offset, "kafka_index": 0, "content_hash": offset,
        "time": format!("2026-06-{day:02}T09:00:00Z"), "source": "b", "event_id": format!("e{offset}"),
        "org_id": record.org, "kind": record.kind, "resource": "x".repeat(record.bytes),
        "steps": [{"name": "auth", "outcome": "success"}], "attributes": {"more": "kept"}, "scopes_granted": ["read"],
        "cost_usd": 0.1, "via_broker": true, "token_expires_at": FAR,
    });
    if !record.is_accepted {
        row["disposition"] = "rejected".into();
        row["reason"] = "no_kind".into();
    }
    row.to_string()
}
