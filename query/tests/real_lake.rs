//! Sessions over a lake on disk: what the unit tests prove over memory also holds over Parquet files, into which the
//! engine pushes filters.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Cursor;

use arrow::json::ReaderBuilder;
use credwatch_lake::{Access, Appended, Lake};
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Limits, Params, QueryError, Session, TenantScope};
use credwatch_schemas::batch::ValidBatch;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::position::{Partition, Progress};
use credwatch_schemas::records::UNDATED;
use credwatch_schemas::time::Micros;

fn row(offset: i64, disposition: &str, more: &str) -> String {
    format!(
        r#"{{"disposition":"{disposition}","date":"2026-06-01","kafka_topic":"audit","kafka_topic_id":"t1","kafka_partition":0,"kafka_offset":{offset},"kafka_index":0,{more}}}"#
    )
}

fn event(offset: i64, org: &str, agent: &str) -> String {
    let more = format!(
        r#""time":"2026-06-01T09:00:0{offset}Z","kind":"tool_call",{org}"source":"b","event_id":"e{offset}","content_hash":{offset},"agent_id":"{agent}""#
    );
    row(offset, "accepted", &more)
}

async fn lake(folder: &tempfile::TempDir) -> Lake {
    let lines = [
        event(0, r#""org_id":"org_a","#, "12"),
        event(1, r#""org_id":"org_a","#, "13"),
        event(2, r#""org_id":"org_b","#, "secret-of-b"),
        event(3, "", "secret-of-nobody"),
        row(4, "rejected", r#""reason":"not_json","detail":"line 1""#),
    ];
    let reader = ReaderBuilder::new(UNDATED.clone()).build(Cursor::new(lines.join("\n"))).unwrap();
    let rows: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    let partition = Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 0 };
    let lake = Lake::open(folder.path().to_str().unwrap(), Access::Write).await.unwrap();
    let start = Progress { partition: partition.clone(), base: None, end: 0, clock: None };
    let start = ValidBatch::new(arrow::array::RecordBatch::new_empty(UNDATED.clone()), vec![start]).unwrap();
    let now = Micros::parse("2026-06-01T10:00:00Z").unwrap();
    assert!(matches!(lake.append(start, now).await.unwrap(), Appended::Committed { .. }));
    let progress = Progress { partition, base: Some(0), end: 5, clock: None };
    let batch = ValidBatch::new(rows[0].clone(), vec![progress]).unwrap();
    assert!(matches!(lake.append(batch, now).await.unwrap(), Appended::Committed { accepted: 4, rejected: 1, .. }));
    lake
}

async fn ask(lake: &Lake, scope: TenantScope, sql: &str) -> Result<String, QueryError> {
    let session = Session::open(&lake.snapshot().await.unwrap(), scope, Limits::default())?;
    let stream = session.run(sql, Params::None).await?;
    let schema = stream.schema();
    Ok(String::from_utf8(write(OutputFormat::Csv, &schema, &stream.collect().await?).unwrap()).unwrap())
}

fn org_a() -> TenantScope {
    TenantScope::Org(OrgId::new("org_a"))
}

#[tokio::test]
async fn rows_of_the_lake_are_read_in_scope() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let all = "SELECT event_id, org_id FROM events ORDER BY time";
    assert_eq!(
        ask(&lake, TenantScope::Operator, all).await.unwrap(),
        "event_id,org_id\ne0,org_a\ne1,org_a\ne2,org_b\ne3,\n"
    );
    assert_eq!(ask(&lake, org_a(), all).await.unwrap(), "event_id,org_id\ne0,org_a\ne1,org_a\n");
    let counts = "SELECT (SELECT count(*) FROM events) AS e, (SELECT count(*) FROM rejects) AS r, (SELECT count(*) FROM duplicates) AS d";
    assert_eq!(ask(&lake, TenantScope::Operator, counts).await.unwrap(), "e,r,d\n4,1,0\n");
    assert_eq!(ask(&lake, org_a(), counts).await.unwrap(), "e,r,d\n2,0,0\n");
    let bounds =
        "SELECT min(seq) IS NOT NULL AS some, count(*) AS n, max(agent_id) AS a FROM events WHERE seq <= 88123";
    assert_eq!(ask(&lake, org_a(), bounds).await.unwrap(), "some,n,a\ntrue,2,13\n");
    for sql in [
        "SELECT count(*) AS n FROM findings",
        "SELECT count(*) AS n FROM findings_current",
        "SELECT count(*) AS n FROM coverage",
        "SELECT count(*) AS n FROM configuration",
    ] {
        assert_eq!(ask(&lake, org_a(), sql).await.unwrap(), "n\n0\n", "{sql}");
    }
}

#[tokio::test]
async fn a_failing_expression_never_sees_rows_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    for sql in [
        "SELECT count(*) AS n FROM events WHERE CAST(agent_id AS BIGINT) > 0",
        "SELECT count(*) AS n FROM events WHERE CAST(agent_id AS BIGINT) > 0 AND kind = 'tool_call'",
        "SELECT count(*) AS n FROM (SELECT CAST(agent_id AS BIGINT) AS a FROM events) WHERE a BETWEEN 1 AND 99",
        "SELECT count(*) AS n FROM events WHERE 10 / (content_hash - 2) < 100",
        "SELECT count(*) AS n FROM events a JOIN events b ON CAST(a.agent_id AS BIGINT) = CAST(b.agent_id AS BIGINT)",
    ] {
        assert_eq!(ask(&lake, org_a(), sql).await, Ok("n\n2\n".to_owned()), "{sql}");
    }
    let operator = ask(&lake, TenantScope::Operator, "SELECT count(CAST(agent_id AS BIGINT)) FROM events").await;
    assert!(matches!(operator, Err(QueryError::Failed(_))), "{operator:?}");
}

#[tokio::test]
async fn no_answer_and_no_error_names_the_lakes_folder() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(&folder).await;
    let path = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    let snapshot = lake.snapshot().await.unwrap();
    let explained = ask(&lake, org_a(), "EXPLAIN VERBOSE SELECT * FROM events WHERE agent_id = '12'").await.unwrap();
    assert!(!explained.contains(&path) && !explained.contains("parquet"), "{explained}");
    let session = Session::open(&snapshot, org_a(), Limits::default()).unwrap();
    std::fs::remove_dir_all(folder.path().join("records")).unwrap();
    let broken = match session.run("SELECT * FROM events", Params::None).await {
        Ok(stream) => stream.collect().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(broken, QueryError::Storage);
    assert!(!format!("{broken} {broken:?}").contains(&path));
}
