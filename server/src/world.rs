//! A small lake on disk and the routes over it, for tests: two orgs, three events, four findings, and a door.

use std::io::Cursor;

use arrow::json::ReaderBuilder;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use credwatch_detectors::Registry;
use credwatch_lake::{Access, Appended, Change, Committed, Lake, TableName};
use credwatch_query::Limits;
use credwatch_schemas::access::{Reach, Role};
use credwatch_schemas::audit::AuditRow;
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::finding::{FINDINGS, Finding, Severity, Status};
use credwatch_schemas::ids::{DetectorId, DetectorVersion, OrgId, SourceId};
use credwatch_schemas::outcome::{COVERAGE, Coverage, Outcome};
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::rows::{from_batch, to_batch};
use credwatch_schemas::time::{HOUR, Micros};
use datafusion::prelude::SessionContext;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::access::{Door, Draft, Key, Keys};
use crate::api::{Api, routes};
use crate::background::Board;
use crate::sample::finding;

/// What the server's clock says: always the same.
pub(crate) const NOW: Micros = Micros(1_780_000_000_000_000);

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) lake: Lake,
    pub(crate) api: Api,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl World {
    /// Open to the local operator.
    pub(crate) async fn new() -> Self {
        Self::behind(Door::LocalIsOperator).await
    }

    pub(crate) async fn behind(door: Door) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap();
        append_events(&lake).await;
        let limits = Limits::default();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let api = Api::new(lake.clone(), Registry::default(), limits, Board::default(), metrics, door, || NOW);
        Self { _folder: folder, lake, api }
    }

    pub(crate) async fn with_findings() -> Self {
        Self::new().await.fill().await
    }

    pub(crate) async fn fill(self) -> Self {
        let world = self;
        let of_b = Finding { org_id: Some(OrgId::new("org_b")), ..finding("f_b", 40) };
        let digest = Finding { status: Status::Digest, severity: Severity::Low, ..finding("f_d", 30) };
        let first = finding("f_a", 10);
        let revised = Finding { revision: 2, severity: Severity::Critical, ..finding("f_a", 20) };
        let findings = [first, of_b, digest, revised];
        commit(&world.lake, TableName::Findings, to_batch(&FINDINGS, &findings).unwrap()).await;
        commit(&world.lake, TableName::Coverage, to_batch(&COVERAGE, &coverage()).unwrap()).await;
        world
    }

    /// Its one partition has been read up to an event time.
    pub(crate) async fn heard_until(&self, clock: &str) {
        let rows = arrow::array::RecordBatch::new_empty(UNDATED.clone());
        let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
        let clock = Micros::parse(clock).unwrap();
        let progress = vec![Progress { partition, base: Some(3), end: 3, clock: Some(clock) }];
        let appended = self.lake.append(ValidBatch::new(rows, progress).unwrap(), clock).await.unwrap();
        assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
    }

    /// What the audit says by now, in order.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        let table = self.lake.table_snapshot(&TableName::Audit).await.unwrap().unwrap();
        let rows = SessionContext::new().read_table(table.provider()).unwrap().collect().await.unwrap();
        let mut rows: Vec<AuditRow> = rows.iter().flat_map(|batch| from_batch(batch).unwrap()).collect();
        rows.sort_by_key(|row| row.seq);
        rows
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).header(header::HOST, "localhost").body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn sql(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A key of this role; without orgs it reaches everybody.
    pub(crate) async fn key(&self, role: Role, orgs: &[&str]) -> Key {
        let reach = match orgs {
            [] => Reach::Operator,
            orgs => Reach::Orgs(orgs.iter().map(|org| OrgId::new(*org)).collect()),
        };
        let draft = Draft { name: "test".into(), role, reach, expires_time: Some(NOW.plus(HOUR)) };
        Keys::new(self.lake.clone()).create(&draft, "operator", NOW).await.unwrap()
    }

    pub(crate) async fn get_as(&self, key: &Key, path: &str) -> Answer {
        self.ask(request("GET", path, Some(key), None)).await
    }

    pub(crate) async fn send_as(&self, key: &Key, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(request(method, path, Some(key), Some(body))).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = routes(self.api.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let headers = response.headers().clone();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status, content_type: kind.unwrap_or_default(), headers, body }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let json = self.json();
        let findings = json["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["finding_id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn is_problem(&self, status: StatusCode, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.json()["code"], code, "{}", self.body);
        assert_eq!(self.json()["status"], status.as_u16());
    }
}

async fn append_events(lake: &Lake) {
    let event = |offset: i64, org: &str| {
        format!(
            r#"{{"disposition":"accepted","date":"2026-06-01","kafka_topic":"audit","kafka_topic_id":"t1","kafka_partition":0,"kafka_offset":{offset},"kafka_index":0,"time":"2026-06-01T09:00:0{offset}Z","kind":"tool_call","org_id":"{org}","source":"b","event_id":"e{offset}","content_hash":{offset}}}"#
        )
    };
    let lines = [event(0, "org_a"), event(1, "org_a"), event(2, "org_b")].join("\n");
    let rows = ReaderBuilder::new(UNDATED.clone()).build(Cursor::new(lines)).unwrap().next().unwrap().unwrap();
    let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
    let progress = vec![Progress { partition, base: None, end: 3, clock: None }];
    let now = Micros::parse("2026-06-01T10:00:00Z").unwrap();
    let appended = lake.append(ValidBatch::new(rows, progress).unwrap(), now).await.unwrap();
    assert!(matches!(appended, Appended::Committed { accepted: 3, .. }), "{appended:?}");
}

pub(crate) async fn commit(lake: &Lake, table: TableName, rows: arrow::array::RecordBatch) {
    let change = Change { append: vec![rows], ..Change::default() };
    let committed = lake.commit(&table, change, Micros(1)).await.unwrap();
    assert!(matches!(committed, Committed::Done { .. }));
}

fn coverage() -> Vec<Coverage> {
    let row = |org: Option<&str>, outcome: Outcome, columns: Vec<String>| Coverage {
        detector_id: DetectorId::new("first-host"),
        detector_version: DetectorVersion::new("v1"),
        org_id: org.map(OrgId::new),
        source: org.map(|_| SourceId::new("b")),
        from_time: Micros(0),
        to_time: Micros(60_000_000),
        outcome,
        detail: columns.first().map(|column| format!("b never fills {column}")),
        columns,
        data_seq: 3,
    };
    vec![
        row(None, Outcome::Findings, vec![]),
        row(Some("org_a"), Outcome::Findings, vec![]),
        row(Some("org_b"), Outcome::NotObservable, vec!["dest_host".into()]),
    ]
}

pub(crate) fn request(method: &str, path: &str, key: Option<&Key>, body: Option<&Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.clone().reveal()));
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(body.map_or(Body::empty(), |body| Body::from(body.to_string()))).unwrap()
}
