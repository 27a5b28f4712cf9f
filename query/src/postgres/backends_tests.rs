use super::*;
use crate::error::QueryError;
use crate::format::{OutputFormat, write};
use crate::limits::Limits;
use crate::params::Params;
use crate::postgres::Postgres;
use crate::scope::{Books, TenantScope};
use crate::session::Session;
use crate::tables::Whole;
use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use std::sync::{Arc, Mutex};

/// Three connections, of which the first asks; and what was stopped.
#[derive(Debug, Default)]
struct Told {
    stopped: Mutex<Vec<(i32, Stop)>>,
}

impl Backends for Told {
    fn own(&self) -> i32 {
        7
    }

    fn all(&self) -> Vec<Backend> {
        vec![
            backend(7, "psql", "SELECT 7", true),
            backend(8, "superset", "SELECT 8", true),
            backend(9, "dbeaver", "SELECT 9", false),
        ]
    }

    fn stop(&self, number: i32, what: Stop) -> bool {
        self.stopped.lock().unwrap().push((number, what));
        self.all().iter().any(|one| one.number == number)
    }
}

impl Told {
    fn stopped(&self) -> Vec<(i32, Stop)> {
        std::mem::take(&mut *self.stopped.lock().unwrap())
    }
}

fn backend(number: i32, application: &str, text: &str, is_running: bool) -> Backend {
    let statement = Stated { text: text.to_owned(), began: Micros(2_000_000), is_running };
    Backend { number, application: application.to_owned(), began: Micros(1_000_000), statement: Some(statement) }
}

fn session(told: &Arc<Told>) -> Session {
    let postgres = Postgres::new("somebody", |_| None, told.clone()).unwrap();
    Session::over(Whole::new(), TenantScope::Operator, Books::Closed, Limits::default(), Some(&postgres)).unwrap()
}

async fn ask(told: &Arc<Told>, sql: &str) -> Result<String, QueryError> {
    ask_with(told, sql, Params::None).await
}

async fn ask_with(told: &Arc<Told>, sql: &str, params: Params) -> Result<String, QueryError> {
    let session = session(told);
    let stream = session.run(sql, params).await?;
    let schema = stream.schema();
    let bytes = write(OutputFormat::Csv, &schema, &stream.collect().await?).unwrap();
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn the_table_shows_the_connections_that_the_asker_is_told_of() {
    let told = Arc::new(Told::default());
    let listed =
        "SELECT pid, datname, usename, application_name, state, query, backend_type FROM pg_stat_activity ORDER BY pid";
    let expected = "pid,datname,usename,application_name,state,query,backend_type\n\
        7,credwatch,somebody,psql,active,SELECT 7,client backend\n\
        8,credwatch,somebody,superset,active,SELECT 8,client backend\n\
        9,credwatch,somebody,dbeaver,idle,SELECT 9,client backend\n";
    assert_eq!(ask(&told, listed).await.unwrap(), expected);
    let own = "SELECT application_name FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid() AND usename = session_user";
    assert_eq!(ask(&told, own).await.unwrap(), "application_name\npsql\n");
    let times = "SELECT backend_start, query_start FROM pg_stat_activity WHERE pid = 8";
    let expected = "backend_start,query_start\n1970-01-01T00:00:01.000000Z,1970-01-01T00:00:02.000000Z\n";
    assert_eq!(ask(&told, times).await.unwrap(), expected);
    let there =
        "SELECT count(*) AS n FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid AND d.datname = a.datname";
    assert_eq!(ask(&told, there).await.unwrap(), "n\n3\n");
    let all = session(&told).describe("SELECT * FROM pg_stat_activity").await.unwrap().schema;
    assert_eq!((all.fields().len(), all.field(2).data_type()), (22, &DataType::Int32));
}

#[tokio::test]
async fn each_row_that_passes_the_condition_is_stopped_and_no_other() {
    let told = Arc::new(Told::default());
    ask(&told, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid='8'").await.unwrap();
    assert_eq!(told.stopped(), [(8, Stop::Connection)]);
    let others = "SELECT pid, pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY query_start, pid";
    ask(&told, others).await.unwrap();
    assert_eq!(told.stopped(), [(8, Stop::Statement), (9, Stop::Statement)]);
    // Fewer columns come out than go in, so the engine would rather compute them first and look at the condition then.
    let narrow = "SELECT state, pg_cancel_backend(pid + coalesce(leader_pid, client_port, 0)) FROM pg_stat_activity WHERE state = 'idle'";
    ask(&told, narrow).await.unwrap();
    assert_eq!(told.stopped(), [(9, Stop::Statement)]);
    ask(&told, "SELECT pg_cancel_backend(8) FROM pg_stat_activity WHERE state = 'nowhere'").await.unwrap();
    assert!(told.stopped().is_empty());
    ask(&told, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity LIMIT 1").await.unwrap();
    assert_eq!(told.stopped(), [(7, Stop::Statement)]);
    let last = "SELECT pg_cancel_backend(pid) FROM (SELECT pid FROM pg_stat_activity ORDER BY pid DESC LIMIT 1) l";
    ask(&told, last).await.unwrap();
    assert_eq!(told.stopped(), [(9, Stop::Statement)]);
}

#[tokio::test]
async fn a_number_may_be_text_or_bound_and_one_that_nobody_has_is_false() {
    let told = Arc::new(Told::default());
    let several = "SELECT pg_cancel_backend(8) AS a, pg_cancel_backend('9') AS b, pg_cancel_backend(NULL) AS c, pg_cancel_backend(404) AS d";
    assert_eq!(ask(&told, several).await.unwrap(), "a,b,c,d\ntrue,true,,false\n");
    assert_eq!(told.stopped().len(), 3, "nothing is stopped where there is no number");
    let bound = "SELECT pg_catalog.pg_terminate_backend($1) AS gone";
    let described = session(&told).describe(bound).await.unwrap();
    assert_eq!(described.parameters[0].as_ref().unwrap().data_type(), &DataType::Int32);
    let params = Params::Positional(vec![ScalarValue::Int32(Some(8))]);
    assert_eq!(ask_with(&told, bound, params).await.unwrap(), "gone\ntrue\n");
    assert_eq!(told.stopped(), [(8, Stop::Connection)]);
    assert!(ask(&told, "SELECT pg_cancel_backend('eight')").await.is_err());
    assert!(told.stopped().is_empty());
}

#[tokio::test]
async fn nothing_is_stopped_by_what_is_explained_described_or_checked() {
    let told = Arc::new(Told::default());
    for (sql, explained) in [
        ("SELECT pg_terminate_backend(8)", "EXPLAIN SELECT pg_terminate_backend(8)"),
        (
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
            "EXPLAIN SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
        ),
    ] {
        ask(&told, explained).await.unwrap();
        let session = session(&told);
        session.describe(sql).await.unwrap();
        session.check(sql).await.unwrap();
        session.columns(sql, Params::None).await.unwrap();
        assert!(told.stopped().is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn what_would_stop_other_rows_than_the_answers_is_refused() {
    let told = Arc::new(Told::default());
    for sql in [
        "SELECT pid FROM pg_stat_activity WHERE pid = 8 AND pg_cancel_backend(pid)",
        "SELECT a.pid FROM pg_stat_activity a JOIN pg_stat_activity b ON a.pid = b.pid AND pg_cancel_backend(a.pid)",
        "SELECT count(*) FROM (SELECT pg_cancel_backend(pid) FROM pg_stat_activity) c",
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity",
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity ORDER BY backend_start LIMIT 1",
        "SELECT (SELECT pg_cancel_backend(8)) AS c",
        "SELECT pid FROM pg_stat_activity ORDER BY pg_cancel_backend(pid)",
        "SELECT DISTINCT pg_cancel_backend(pid) FROM pg_stat_activity",
        "VALUES (pg_cancel_backend(8))",
        "EXPLAIN ANALYZE SELECT pg_cancel_backend(8)",
    ] {
        let refused = ask(&told, sql).await;
        assert!(matches!(refused, Err(QueryError::Invalid(_))), "{sql}: {refused:?}");
        assert!(told.stopped().is_empty(), "{sql}");
    }
}
