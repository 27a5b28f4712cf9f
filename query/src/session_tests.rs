use super::*;
use crate::format::{OutputFormat, write};
use crate::literal;
use credwatch_schemas::finding::FINDINGS;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::records::RECORDS;
use datafusion::arrow::json::ReaderBuilder;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::scalar::ScalarValue;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

const ROWS: &str = r#"
{"seq":1,"disposition":"accepted","time":"2026-06-01T09:00:00Z","kind":"tool_call","org_id":"org_a","source":"b","event_id":"e1","content_hash":7,"agent_id":"12","dest_host":"api.github.com"}
{"seq":2,"disposition":"accepted","time":"2026-06-01T09:00:01Z","kind":"tool_call","org_id":"org_a","source":"b","event_id":"e2","content_hash":8,"agent_id":"13"}
{"seq":3,"disposition":"accepted","time":"2026-06-01T09:00:02Z","kind":"tool_call","org_id":"org_b","source":"b","event_id":"e3","content_hash":9,"agent_id":"secret-of-b"}
{"seq":4,"disposition":"accepted","time":"2026-06-01T09:00:03Z","kind":"deploy","source":"b","event_id":"e4","content_hash":10,"agent_id":"secret-of-nobody"}
{"seq":5,"disposition":"rejected","reason":"not_json","detail":"line 1"}
{"seq":6,"disposition":"duplicate","time":"2026-06-01T09:00:00Z","org_id":"org_a","source":"b","event_id":"e1","content_hash":7}
"#;
const REVISIONS: &str = r#"
{"finding_id":"f_1","revision":1,"seq":1,"org_id":"org_a","status":"open"}
{"finding_id":"f_2","revision":1,"seq":2,"org_id":"org_b","status":"open"}
{"finding_id":"f_1","revision":2,"seq":3,"org_id":"org_a","status":"withdrawn"}
"#;

fn table(schema: &datafusion::arrow::datatypes::SchemaRef, lines: &str) -> Arc<dyn TableProvider> {
    let reader = ReaderBuilder::new(schema.clone()).build(Cursor::new(lines.trim())).unwrap();
    let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
    Arc::new(MemTable::try_new(schema.clone(), vec![batches]).unwrap())
}

fn whole() -> Whole {
    let no_org = RecordBatch::try_from_iter([("x", Arc::new(StringArray::from(vec!["of all"])) as ArrayRef)]).unwrap();
    Whole::from([
        ("records".to_owned(), table(&RECORDS, ROWS)),
        ("findings".to_owned(), table(&FINDINGS, REVISIONS)),
        ("rollup_odd".to_owned(), Arc::new(MemTable::try_new(no_org.schema(), vec![vec![no_org]]).unwrap()) as _),
    ])
}

fn operator() -> Session {
    Session::over(whole(), TenantScope::Operator, Books::Closed, Limits::default(), None).unwrap()
}

fn of_org(org: &str) -> Session {
    Session::over(whole(), TenantScope::Org(OrgId::new(org)), Books::Closed, Limits::default(), None).unwrap()
}

async fn ask(session: &Session, sql: &str) -> Result<String, QueryError> {
    ask_with(session, sql, Params::None).await
}

async fn ask_with(session: &Session, sql: &str, params: Params) -> Result<String, QueryError> {
    let stream = session.run(sql, params).await?;
    let schema = stream.schema();
    let bytes = write(OutputFormat::Csv, &schema, &stream.collect().await?).unwrap();
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn each_view_holds_its_rows_and_columns() {
    let session = operator();
    assert_eq!(ask(&session, "SELECT event_id FROM events ORDER BY seq").await.unwrap(), "event_id\ne1\ne2\ne3\ne4\n");
    assert_eq!(ask(&session, "SELECT seq, reason FROM rejects").await.unwrap(), "seq,reason\n5,not_json\n");
    assert_eq!(ask(&session, "SELECT seq FROM duplicates").await.unwrap(), "seq\n6\n");
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM records").await.unwrap(), "n\n6\n");
    let current = "SELECT finding_id, revision FROM findings_current ORDER BY 1";
    assert_eq!(ask(&session, current).await.unwrap(), "finding_id,revision\nf_1,2\nf_2,1\n");
    assert!(matches!(ask(&session, "SELECT raw FROM events").await, Err(QueryError::UnknownColumn { .. })));
    assert!(matches!(ask(&session, "SELECT agent_id FROM duplicates").await, Err(QueryError::UnknownColumn { .. })));
}

#[tokio::test]
async fn a_filter_on_the_status_does_not_bring_an_older_revision_back() {
    let sql = "SELECT finding_id FROM findings_current WHERE status = 'open'";
    assert_eq!(ask(&operator(), sql).await.unwrap(), "finding_id\nf_2\n");
}

#[tokio::test]
async fn an_org_sees_its_rows_and_no_others_however_it_asks() {
    let session = of_org("org_a");
    for sql in [
        "SELECT count(*) AS n FROM events",
        "SELECT count(*) AS n FROM public.events",
        "SELECT count(*) AS n FROM credwatch.public.events",
        "SELECT count(*) AS n FROM \"events\"",
        "SELECT count(*) AS n FROM events WHERE org_id = 'org_b' OR true",
        "SELECT count(*) AS n FROM events WHERE org_id <> 'x' OR org_id IS NULL",
        "WITH events AS (SELECT * FROM events) SELECT count(*) AS n FROM events",
        "SELECT count(*) AS n FROM (SELECT event_id FROM events UNION SELECT event_id FROM events)",
        "SELECT (SELECT count(*) FROM events) AS n",
        "SELECT count(*) AS n FROM events e WHERE EXISTS (SELECT 1 FROM events x WHERE x.event_id = e.event_id)",
        "SELECT count(*) AS n FROM (SELECT * FROM events LIMIT 100)",
        "SELECT count(DISTINCT event_id) AS n FROM events",
        "SELECT count(*) AS n FROM events a FULL JOIN events b ON a.event_id = b.event_id",
        "TABLE events",
    ] {
        let found = ask(&session, sql).await;
        match found {
            Ok(text) if sql.starts_with("TABLE") => assert!(!text.contains("secret"), "{text}"),
            Ok(text) => assert_eq!(text, "n\n2\n", "{sql}"),
            Err(error) => assert!(sql.starts_with("TABLE"), "{sql}: {error}"),
        }
    }
}

#[tokio::test]
async fn rows_without_an_org_and_tables_without_one_are_the_operators() {
    let session = of_org("org_a");
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM rejects").await.unwrap(), "n\n0\n");
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM findings").await.unwrap(), "n\n2\n");
    for sql in ["SELECT * FROM records", "SELECT * FROM rollup_odd"] {
        let refused = ask(&session, sql).await;
        assert!(matches!(refused, Err(QueryError::UnknownTable { .. })), "{refused:?}");
    }
    assert_eq!(ask(&operator(), "SELECT x FROM rollup_odd").await.unwrap(), "x\nof all\n");
    assert_eq!(ask(&of_org("' OR '1'='1"), "SELECT count(*) AS n FROM events").await.unwrap(), "n\n0\n");
}

#[tokio::test]
async fn an_error_never_prints_a_value_of_another_org() {
    let session = of_org("org_a");
    for sql in [
        "SELECT count(*) AS n FROM events WHERE CAST(agent_id AS BIGINT) > 0",
        "SELECT count(*) AS n FROM events WHERE CAST(agent_id AS BIGINT) > 0 AND kind = 'tool_call'",
        "SELECT count(*) AS n FROM (SELECT CAST(agent_id AS BIGINT) AS a FROM events) WHERE a > 0",
        "SELECT count(*) AS n FROM events WHERE 10 / (content_hash - 9) < 100",
    ] {
        assert_eq!(ask(&session, sql).await, Ok("n\n2\n".to_owned()), "{sql}");
    }
    let failed = ask(&operator(), "SELECT CAST(agent_id AS BIGINT) FROM events").await;
    assert!(matches!(failed, Err(QueryError::Failed(_))), "{failed:?}");
}

#[tokio::test]
async fn only_reading_is_done() {
    for session in [operator(), of_org("org_a")] {
        for sql in [
            "CREATE TABLE t (a INT)",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT * FROM events",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE SCHEMA s",
            "CREATE DATABASE d",
            "DROP TABLE events",
            "DROP VIEW IF EXISTS events",
            "INSERT INTO events SELECT * FROM events",
            "DELETE FROM events",
            "UPDATE events SET kind = 'x'",
            "COPY events TO '/tmp/stolen.csv' STORED AS CSV",
            "COPY (SELECT 1) TO '/tmp/stolen.csv' STORED AS CSV",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "DEALLOCATE p",
            "BEGIN",
            "COMMIT",
            "EXPLAIN DROP TABLE events",
            "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
            "SELECT 1 AS a INTO t",
        ] {
            let refused = ask(&session, sql).await.expect_err(sql);
            let known = matches!(refused, QueryError::NotReadOnly(_) | QueryError::Invalid(_) | QueryError::Syntax(_));
            assert!(known, "{sql}: {refused:?}");
        }
        assert_eq!(ask(&session, "SELECT count(*) > 0 AS still FROM events").await.unwrap(), "still\ntrue\n");
    }
}

#[tokio::test]
async fn files_and_other_catalogs_cannot_be_named() {
    let session = operator();
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd.csv\"",
        "SELECT * FROM 'file:///etc/hosts.csv'",
        "SELECT * FROM datafusion.public.events",
        "SELECT * FROM other.events",
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/x')",
    ] {
        let refused = ask(&session, sql).await.expect_err(sql);
        assert!(refused.code().starts_with("sql."), "{sql}: {refused:?}");
    }
    let table_functions = session.desk.context.state();
    let mut names: Vec<String> = table_functions.table_functions().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["generate_series", "range"]);
}

#[tokio::test]
async fn the_information_schema_lists_only_the_sessions_tables() {
    let listed = ask(&of_org("org_a"), "SELECT table_name FROM information_schema.tables ORDER BY 1").await.unwrap();
    assert_eq!(
        listed,
        "table_name\ncalls\nduplicates\nevents\nfield_coverage\nfindings\nfindings_current\nfirst_seen_destinations\ngrants_asof\nrefreshes\nrejects\n"
    );
    assert!(ask(&of_org("org_a"), "SHOW TABLES").await.unwrap().contains("findings_current"));
    assert!(ask(&of_org("org_a"), "DESCRIBE events").await.unwrap().contains("dest_host"));
    assert!(ask(&of_org("org_a"), "SHOW COLUMNS FROM events").await.unwrap().contains("dest_host"));
}

#[tokio::test]
async fn an_explanation_names_no_file_and_no_other_org() {
    let session = of_org("org_a");
    for sql in ["EXPLAIN SELECT * FROM events", "EXPLAIN VERBOSE SELECT count(*) FROM events WHERE kind = 'x'"] {
        let text = ask(&session, sql).await.unwrap();
        assert!(text.contains("TableScan: events"), "{text}");
        assert!(!text.contains("org_b") && !text.contains("Exec") && !text.contains("parquet"), "{text}");
    }
    let refused = ask(&session, "EXPLAIN ANALYZE SELECT * FROM events").await;
    assert!(matches!(refused, Err(QueryError::NotReadOnly(_))));
    assert!(ask(&operator(), "EXPLAIN ANALYZE SELECT * FROM events").await.is_ok());
}

#[tokio::test]
async fn names_that_do_not_exist_get_near_ones() {
    let error = ask(&operator(), "SELECT * FROM evnts").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no table \"evnts\"; near names are \"events\"");
    let error = ask(&operator(), "SELECT agnt_id FROM events").await.unwrap_err();
    assert!(error.to_string().starts_with("there is no column \"agnt_id\"; near names are \"agent_id\""), "{error}");
}

#[tokio::test]
async fn one_statement_at_a_time() {
    assert_eq!(ask(&operator(), "SELECT 1; SELECT 2").await, Err(QueryError::NotOneStatement(2)));
    assert_eq!(ask(&operator(), " -- nothing").await, Err(QueryError::NotOneStatement(0)));
    assert_eq!(ask(&operator(), "SELECT 1 AS a;").await.unwrap(), "a\n1\n");
    assert!(matches!(ask(&operator(), "SELEC 1").await, Err(QueryError::Syntax(_))));
    let long = "SELECT 1".to_owned() + &" ".repeat(300_000);
    assert!(matches!(ask(&operator(), &long).await, Err(QueryError::TooLong(..))));
}

#[tokio::test]
async fn parameters_are_values_and_never_text() {
    let session = operator();
    let hostile = ScalarValue::from("x' OR '1'='1");
    let named = Params::Named(BTreeMap::from([("agent".to_owned(), hostile.clone())]));
    let by_name = "SELECT count(*) AS n FROM events WHERE agent_id = $agent";
    assert_eq!(ask_with(&session, by_name, named).await.unwrap(), "n\n0\n");
    let positional = Params::Positional(vec![ScalarValue::from("12"), ScalarValue::from(1_i64)]);
    let by_place = "SELECT event_id FROM events WHERE agent_id = $1 LIMIT $2";
    assert_eq!(ask_with(&session, by_place, positional).await.unwrap(), "event_id\ne1\n");
    let time = Params::Positional(vec![ScalarValue::from("2026-06-01T09:00:02Z")]);
    assert_eq!(ask_with(&session, "SELECT count(*) AS n FROM events WHERE time >= $1", time).await.unwrap(), "n\n2\n");
    let missing = ask(&session, by_name).await.unwrap_err();
    assert_eq!(missing.to_string(), "parameter $agent has no value");
    let idle = ask_with(&session, "SELECT 1", Params::Positional(vec![hostile])).await.unwrap_err();
    assert_eq!(idle.to_string(), "parameter $1 is given but does not stand in the statement");
}

async fn broken_limit(limits: Limits, sql: &str) -> QueryError {
    let session = Session::over(whole(), TenantScope::Operator, Books::Closed, limits, None).unwrap();
    ask(&session, sql).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_ends_the_statement_with_its_name() {
    let limits = Limits::default();
    let endless = "SELECT count(*) FROM range(0, 4000000000) a WHERE a.value % 7 = 3";
    let slow = broken_limit(Limits { time: Duration::from_millis(200), ..limits }, endless).await;
    assert_eq!(slow.code(), "limit.time");
    let sort = "SELECT value FROM range(0, 10000000) ORDER BY value % 1000, value";
    assert_eq!(broken_limit(Limits { memory_bytes: 1 << 20, ..limits }, sort).await.code(), "limit.memory");
    let many = "SELECT value FROM range(0, 100000)";
    assert_eq!(broken_limit(Limits { rows: 99_999, ..limits }, many).await, QueryError::Rows(99_999));
    assert_eq!(broken_limit(Limits { bytes: 10_000, ..limits }, many).await, QueryError::Bytes(10_000));
    let fits =
        Session::over(whole(), TenantScope::Operator, Books::Closed, Limits { rows: 100_000, ..limits }, None).unwrap();
    assert!(ask(&fits, many).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_frees_what_the_statement_held() {
    let session = operator();
    let sql = "SELECT value % 1000003 AS v, count(*) FROM range(0, 4000000000) GROUP BY 1";
    let stream = session.run(sql, Params::None).await.unwrap();
    let pool = Arc::clone(&session.desk.context.runtime_env().memory_pool);
    let wait = |until: fn(usize) -> bool| {
        let pool = Arc::clone(&pool);
        async move {
            while !until(pool.reserved()) {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait(|held| held > 0)).await.unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(20), wait(|held| held == 0)).await.unwrap();
}

#[tokio::test]
async fn the_evidence_of_a_finding_is_read_with_literals_alone() {
    let at = |text: &str| literal::time(credwatch_schemas::time::Micros::parse(text).unwrap());
    let sql = format!(
        "SELECT event_id FROM events WHERE org_id = {} AND time BETWEEN {} AND {} AND (agent_id = {}) AND seq <= {} \
         ORDER BY time, event_id, content_hash",
        literal::text("org_a"),
        at("2026-06-01T09:00:01Z"),
        at("2026-06-01T09:00:02.5Z"),
        literal::text("13"),
        literal::integer(6),
    );
    assert_eq!(ask(&operator(), &sql).await.unwrap(), "event_id\ne2\n");
    assert_eq!(ask(&of_org("org_a"), &sql).await.unwrap(), "event_id\ne2\n");
    assert_eq!(ask(&of_org("org_b"), &sql).await.unwrap(), "event_id\n");
}

#[tokio::test]
async fn the_functions_can_be_called() {
    let session = operator();
    for (sql, expected) in [
        ("SELECT record_id('broker-eu', 'org_7', '01JZ6W3V9Q', 42) AS v", "r_xnchpng4sr930r06"),
        ("SELECT record_id(source, org_id, event_id, content_hash) LIKE 'r_%' AS v FROM events WHERE seq = 4", "true"),
        ("SELECT window_start(time, 3600000000) AS v FROM events WHERE seq = 2", "2026-06-01T09:00:00.000000Z"),
        ("SELECT host_kind('0xa9fea9fe') AS v", "metadata"),
        ("SELECT host_kind(dest_host) AS v FROM events WHERE seq = 1", "name"),
        ("SELECT negative_binomial_upper_tail(23, 3, 0.35) AS v", "0.0000127339"),
        ("SELECT beta_binomial_upper_tail(60, 120, 0.485, 31.85) AS v", "1.19702e-9"),
        ("SELECT poisson_upper_tail(CAST(NULL AS INT), 2.0) IS NULL AS v", "true"),
        ("SELECT robust_z(10, 2, 1) AS v", "5.396"),
        ("SELECT benjamini_hochberg(value * 0.01, 0.1) AS v FROM range(1, 8)", "0.07"),
        (
            "SELECT count(*) AS v FROM (SELECT value * 0.01 AS p, benjamini_hochberg(value * 0.01, 0.1) OVER () AS cut FROM range(1, 30)) WHERE p <= cut",
            "0",
        ),
    ] {
        assert_eq!(ask(&session, sql).await, Ok(format!("v\n{expected}\n")), "{sql}");
    }
}

#[path = "wrong_grouping_tests.rs"]
mod wrong_grouping;

#[tokio::test]
async fn what_only_looks_short_is_refused_before_anybody_plans_it() {
    for hostile in [
        include_str!("doubling/steps.sql"),
        include_str!("doubling/unnamed.sql"),
        include_str!("doubling/expressions.sql"),
    ] {
        let refused = ask(&operator(), hostile).await.unwrap_err();
        assert!(matches!(refused, QueryError::Invalid(_)), "{refused}");
    }
}
