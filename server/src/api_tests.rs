//! The routes over a small lake on disk: two orgs, three events and a reject, four findings.

use std::io::Cursor;

use arrow::json::ReaderBuilder;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use credwatch_lake::{Access, Appended, Change, Committed, TableName};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::finding::{FINDINGS, Finding, Severity, Status};
use credwatch_schemas::ids::{DetectorId, DetectorVersion, OrgId, SourceId};
use credwatch_schemas::outcome::{COVERAGE, Coverage, Outcome};
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::Micros;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::sample::finding;

struct World {
    _folder: TempDir,
    lake: Lake,
    api: Api,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap();
        append_events(&lake).await;
        let limits = Limits::default();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let api = Api::new(lake.clone(), Registry::default(), limits, Board::default(), metrics);
        Self { _folder: folder, lake, api }
    }

    async fn with_findings() -> Self {
        let world = Self::new().await;
        let of_b = Finding { org_id: Some(OrgId::new("org_b")), ..finding("f_b", 40) };
        let digest = Finding { status: Status::Digest, severity: Severity::Low, ..finding("f_d", 30) };
        let first = finding("f_a", 10);
        let revised = Finding { revision: 2, severity: Severity::Critical, ..finding("f_a", 20) };
        let findings = [first, of_b, digest, revised];
        commit(&world.lake, TableName::Findings, to_batch(&FINDINGS, &findings).unwrap()).await;
        commit(&world.lake, TableName::Coverage, to_batch(&COVERAGE, &coverage()).unwrap()).await;
        world
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).header(header::HOST, "localhost").body(Body::empty()).unwrap()).await
    }

    async fn sql(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = routes(self.api.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status, content_type: kind.unwrap_or_default(), body }
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let json = self.json();
        let findings = json["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["finding_id"].as_str().unwrap().to_owned()).collect()
    }

    fn is_problem(&self, status: StatusCode, code: &str) {
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

async fn commit(lake: &Lake, table: TableName, rows: arrow::array::RecordBatch) {
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

#[tokio::test]
async fn a_list_holds_the_last_revisions_newest_first_and_counts_what_it_left_out() {
    let world = World::with_findings().await;
    let list = world.get("/v1/findings").await;
    assert_eq!(list.ids(), ["f_b", "f_a"]);
    assert_eq!(list.json()["findings"][1]["revision"], 2);
    assert_eq!(list.json()["left_out"], json!({"digest": 1, "suppressed": 0, "withdrawn": 0}));
    assert_eq!(list.json()["not_seen"], json!(["first-host on b of org_b: not_observable: b never fills dest_host"]));
    assert_eq!(world.get("/v1/findings?all=true").await.ids(), ["f_b", "f_d", "f_a"]);
}

#[tokio::test]
async fn every_filter_of_the_list_filters() {
    let world = World::with_findings().await;
    for (query, ids) in [
        ("org=org_a", vec!["f_a"]),
        ("org=org_none", vec![]),
        ("detector=first-host", vec!["f_b", "f_a"]),
        ("detector=other", vec![]),
        ("status=digest", vec!["f_d"]),
        ("severity=critical", vec!["f_a"]),
        ("since=1970-01-01T00:00:30Z", vec!["f_b"]),
    ] {
        assert_eq!(world.get(&format!("/v1/findings?{query}")).await.ids(), ids, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor() {
    let world = World::with_findings().await;
    let first = world.get("/v1/findings?all=true&limit=2").await;
    assert_eq!(first.ids(), ["f_b", "f_d"]);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = world.get(&format!("/v1/findings?all=true&limit=2&cursor={cursor}")).await;
    assert_eq!((second.ids(), second.json()["next_cursor"].clone()), (vec!["f_a".to_owned()], Value::Null));
}

#[tokio::test]
async fn what_a_list_cannot_be_asked_is_a_problem_with_a_code() {
    let world = World::new().await;
    for (query, code) in [
        ("limit=0", "bad_limit"),
        ("limit=1001", "bad_limit"),
        ("cursor=x", "bad_cursor"),
        ("severity=huge", "bad_query"),
        ("sevrity=high", "bad_query"),
        ("since=yesterday", "bad_query"),
    ] {
        world.get(&format!("/v1/findings?{query}")).await.is_problem(StatusCode::BAD_REQUEST, code);
    }
}

#[tokio::test]
async fn a_finding_is_shown_with_all_its_revisions_to_its_own_org_alone() {
    let world = World::with_findings().await;
    let shown = world.get("/v1/findings/f_a").await.json();
    assert_eq!(shown["finding"]["severity"], "critical");
    assert_eq!(shown["revisions"].as_array().unwrap().len(), 2);
    assert_eq!(shown["revisions"][0]["severity"], "high");
    assert_eq!(world.get("/v1/findings/f_b?org=org_b").await.status, StatusCode::OK);
    world.get("/v1/findings/f_b?org=org_a").await.is_problem(StatusCode::NOT_FOUND, "not_found");
    world.get("/v1/findings/f_none").await.is_problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn detectors_say_what_they_cannot_see_per_source() {
    let world = World::with_findings().await;
    let detector = world.get("/v1/detectors").await.json()["detectors"][0].clone();
    assert_eq!((&detector["id"], &detector["outcome"]), (&json!("first-host"), &json!("findings")));
    assert_eq!(detector["coverage"]["to_time"], "1970-01-01T00:01:00.000000Z");
    assert_eq!(detector["sources"][1]["not_observable"], json!(["dest_host"]));
    let of_a = world.get("/v1/detectors?org=org_a").await;
    assert!(!of_a.body.contains("org_b"), "{}", of_a.body);
}

#[tokio::test]
async fn a_statement_answers_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    let sql = "SELECT org_id, count(*) AS n FROM events GROUP BY org_id ORDER BY org_id";
    let json = world.sql("/v1/sql", json!({"sql": sql})).await;
    assert_eq!(json.json(), json!([{"org_id": "org_a", "n": 2}, {"org_id": "org_b", "n": 1}]));
    let csv = world.sql("/v1/sql", json!({"sql": sql, "format": "csv"})).await;
    assert_eq!(csv.body, "org_id,n\norg_a,2\norg_b,1\n");
    assert!(csv.content_type.starts_with("text/csv"), "{}", csv.content_type);
    let lines = world.sql("/v1/sql?org=org_b", json!({"sql": sql, "format": "ndjson"})).await;
    assert_eq!(lines.body, "{\"org_id\":\"org_b\",\"n\":1}\n");
    let none = world.sql("/v1/sql", json!({"sql": format!("{} LIMIT 0", "SELECT event_id FROM events")})).await;
    assert_eq!(none.body, "[]\n");
}

#[tokio::test]
async fn parameters_are_values_and_never_text_of_the_statement() {
    let world = World::new().await;
    let sql = "SELECT count(*) AS n FROM events WHERE org_id = $1";
    assert_eq!(world.sql("/v1/sql", json!({"sql": sql, "params": ["org_a"]})).await.json(), json!([{"n": 2}]));
    let attack = world.sql("/v1/sql", json!({"sql": sql, "params": ["x' OR '1'='1"]})).await;
    assert_eq!(attack.json(), json!([{"n": 0}]));
}

#[tokio::test]
async fn a_statement_that_cannot_be_run_is_a_problem_with_a_code() {
    let world = World::new().await;
    let bad = StatusCode::BAD_REQUEST;
    for (body, status, code) in [
        (json!({"sql": "SELEC 1"}), bad, "sql.syntax"),
        (json!({"sql": "SELECT nonsense FROM events"}), bad, "sql.unknown_column"),
        (json!({"sql": "SELECT * FROM records_of_others"}), bad, "sql.unknown_table"),
        (json!({"sql": "DROP TABLE events"}), bad, "sql.not_read_only"),
        (json!({"sql": "SELECT $1"}), bad, "sql.parameter"),
        (json!({"sql": "SELECT 1", "params": [[1]]}), bad, "sql.parameter"),
        (json!({"sql": "SELECT 1", "fromat": "csv"}), StatusCode::UNPROCESSABLE_ENTITY, "bad_body"),
    ] {
        world.sql("/v1/sql", body).await.is_problem(status, code);
    }
}

#[tokio::test]
async fn one_statement_too_many_is_refused_and_not_queued() {
    let world = World::new().await;
    let held = world.api.statements.clone().acquire_many_owned(STATEMENTS_AT_ONCE as u32).await.unwrap();
    let refused = world.sql("/v1/sql", json!({"sql": "SELECT 1"})).await;
    refused.is_problem(StatusCode::TOO_MANY_REQUESTS, "limit.concurrency");
    drop(held);
    assert_eq!(world.sql("/v1/sql", json!({"sql": "SELECT 1 AS n"})).await.json(), json!([{"n": 1}]));
}

#[tokio::test]
async fn health_and_unknown_paths_answer() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(world.get("/metrics").await.status, StatusCode::OK);
    world.get("/v2/findings").await.is_problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn another_host_is_refused_on_every_route() {
    let world = World::new().await;
    for path in ["/healthz", "/v1/findings", "/v1/detectors", "/nothing"] {
        let request = Request::get(path).header(header::HOST, "evil.example").body(Body::empty()).unwrap();
        world.ask(request).await.is_problem(StatusCode::MISDIRECTED_REQUEST, "foreign_host");
    }
}

#[tokio::test]
async fn a_task_that_failed_makes_the_server_not_ready_and_says_why() {
    let world = World::new().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    shutdown.cancel();
    let period = std::time::Duration::from_secs(3_600);
    let work = || async { Err::<(), _>("the disk is full") };
    let (nudge, board) = (crate::background::Nudge::default(), world.api.board.clone());
    crate::background::start("detect", period, nudge, board, shutdown, work).await.unwrap();
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["because"], json!([{"what": "detect", "why": "the disk is full"}]));
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let refused = Listening::bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, ServeError::NotLoopback(_)), "{refused}");
    let listening = Listening::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    assert_ne!(listening.address().port(), 0);
}
