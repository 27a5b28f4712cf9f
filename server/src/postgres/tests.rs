//! The wire as a client of Postgres sees it.

use std::net::SocketAddr;

use credwatch_schemas::access::Role;
use credwatch_schemas::audit::AuditRow;
use credwatch_schemas::time::SECOND;
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::tests::people::{Login, ONE, TWO, grant, signed};
use crate::access::{Door, Issuer, Key, Keys};
use crate::book::FRESH;
use crate::listener::{Listening, Transport};
use crate::world::{NOW, World};

/// A served world; the server stops with it.
struct Served {
    world: World,
    address: SocketAddr,
    _stop: DropGuard,
}

impl Served {
    async fn behind(door: Door) -> Self {
        Self::of(World::behind(door).await.fill().await, door)
    }

    fn of(world: World, door: Door) -> Self {
        let listening = Listening::bind("127.0.0.1:0".parse().unwrap(), door, &Transport::Plain).unwrap();
        let (address, stop) = (listening.address(), CancellationToken::new());
        let (api, stopped) = (world.api.clone(), stop.clone());
        tokio::spawn(async move { super::serve(listening, api, stopped.cancelled_owned()).await });
        Self { world, address, _stop: stop.drop_guard() }
    }

    async fn open(&self) -> Client {
        self.connect(Config::new().user("anybody").dbname("credwatch")).await.unwrap()
    }

    async fn enter(&self, key: &Key, database: &str) -> Result<Client, Error> {
        let password = key.clone().reveal();
        self.connect(Config::new().user(key.id().as_str()).password(&password).dbname(database)).await
    }

    async fn show(&self, token: &str) -> Result<Client, Error> {
        self.connect(Config::new().user("token").password(token).dbname("credwatch")).await
    }

    async fn connect(&self, config: &mut Config) -> Result<Client, Error> {
        let config = config.host(self.address.ip().to_string()).port(self.address.port());
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn audit(&self) -> Vec<AuditRow> {
        self.world.audit().await
    }

    /// Waits until so many statements run.
    async fn until_running(&self, count: usize) {
        while self.world.api.statements.running() != count {
            tokio::task::yield_now().await;
        }
    }
}

fn state(error: &Error) -> &SqlState {
    error.code().unwrap_or_else(|| panic!("{error:?}"))
}

async fn orgs(client: &Client) -> Vec<String> {
    let rows = client.query("SELECT DISTINCT org_id FROM events ORDER BY org_id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The first column.
async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap();
    let text = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
        _ => None,
    };
    messages.iter().filter_map(text).collect()
}

/// The first column of a statement about a connection, which is its only parameter.
async fn of_backend<T: FromSqlOwned>(client: &Client, sql: &str, pid: i32) -> Vec<T> {
    client.query(sql, &[&pid]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What stopping it said.
async fn stopped(client: &Client, sql: &str, pid: i32) -> Vec<bool> {
    of_backend(client, sql, pid).await
}

#[tokio::test]
async fn a_driver_gets_the_rows_with_their_types() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let sql = "SELECT count(*) AS n, max(time) AS last, NULL::text AS nothing, array_agg(DISTINCT org_id) AS orgs FROM events WHERE org_id = $1";
    let row = client.query_one(sql, &[&"org_a"]).await.unwrap();
    assert!(row.get::<_, i64>("n") > 0);
    assert_eq!(row.get::<_, Option<String>>("nothing"), None);
    assert_eq!(row.get::<_, Vec<String>>("orgs"), ["org_a"]);
    assert_eq!(row.columns()[1].type_().name(), "timestamptz");
    let nobody = client.query_one(sql, &[&"org_nobody"]).await.unwrap();
    assert_eq!(nobody.get::<_, i64>("n"), 0);
    let both = client.query_one("SELECT $1::bigint + $2::bigint", &[&2_i64, &3_i64]).await.unwrap();
    assert_eq!(both.get::<_, i64>(0), 5);
}

#[tokio::test]
async fn errors_have_the_codes_that_clients_act_on() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let cases = [
        ("SELECT * FROM nothing", SqlState::UNDEFINED_TABLE),
        ("SELECT nothing FROM events", SqlState::UNDEFINED_COLUMN),
        ("SELEC 1", SqlState::SYNTAX_ERROR),
        ("CREATE TABLE t AS SELECT 1", SqlState::READ_ONLY_SQL_TRANSACTION),
        ("INSERT INTO events SELECT * FROM events", SqlState::READ_ONLY_SQL_TRANSACTION),
        ("COPY events TO '/tmp/x'", SqlState::READ_ONLY_SQL_TRANSACTION),
        ("SELECT count(*) FROM events WHERE time > to_timestamp(event_id)", SqlState::DATA_EXCEPTION),
        ("SELECT to_char(time, 'YYYY Month') FROM events", SqlState::SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", SqlState::READ_ONLY_SQL_TRANSACTION),
    ];
    for (sql, expected) in cases {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(state(&error), &expected, "{sql}: {error:?}");
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(state(&error), &expected, "{sql}: {error:?}");
    }
    assert_eq!(orgs(&client).await, ["org_a", "org_b"], "and the connection lives on");
}

#[tokio::test]
async fn a_transaction_that_failed_hears_nothing_but_its_end() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.open().await;
    let transaction = client.transaction().await.unwrap();
    transaction.query("SELECT nothing", &[]).await.unwrap_err();
    let error = transaction.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(state(&error), &SqlState::IN_FAILED_SQL_TRANSACTION);
    transaction.rollback().await.unwrap();
    client.batch_execute("BEGIN; SAVEPOINT a").await.unwrap();
    client.simple_query("SELECT nothing").await.unwrap_err();
    client.simple_query("ROLLBACK TO a").await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();
    client.simple_query("COMMIT").await.unwrap();
    let answered = client.simple_query("BEGIN; SELECT 1; SHOW search_path; COMMIT").await.unwrap();
    let rows = answered.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count();
    assert_eq!(rows, 2, "{answered:?}");
}

#[tokio::test]
async fn who_proves_a_key_sees_the_rows_that_it_reaches() {
    let served = Served::behind(Door::KeysOnly).await;
    let (of_a, of_all) =
        (served.world.key(Role::Analyst, &["org_a"]).await, served.world.key(Role::Analyst, &[]).await);
    assert_eq!(orgs(&served.enter(&of_a, "credwatch").await.unwrap()).await, ["org_a"]);
    assert_eq!(orgs(&served.enter(&of_a, "org_a").await.unwrap()).await, ["org_a"]);
    assert_eq!(orgs(&served.enter(&of_all, "credwatch").await.unwrap()).await, ["org_a", "org_b"]);
    assert_eq!(orgs(&served.enter(&of_all, "org_b").await.unwrap()).await, ["org_b"]);
    let refused = served.enter(&of_a, "org_b").await.unwrap_err();
    assert_eq!(state(&refused), &SqlState::INSUFFICIENT_PRIVILEGE);
}

#[tokio::test]
async fn without_the_key_nobody_gets_in_and_every_attempt_is_recorded() {
    let served = Served::behind(Door::KeysOnly).await;
    let (key, other) = (served.world.key(Role::Analyst, &[]).await, served.world.key(Role::Analyst, &[]).await);
    let wrong = other.reveal();
    for user in [key.id().as_str(), "0123456789abcdef", "postgres", ""] {
        let refused = served.connect(Config::new().user(user).password(&wrong)).await.unwrap_err();
        assert_eq!(state(&refused), &SqlState::INVALID_PASSWORD, "{user}");
    }
    let viewer = served.world.key(Role::Viewer, &[]).await;
    let refused = served.enter(&viewer, "credwatch").await.unwrap_err();
    assert_eq!(state(&refused), &SqlState::INSUFFICIENT_PRIVILEGE);
    let seen: Vec<_> = served.audit().await.into_iter().map(|row| (row.surface, row.action, row.status)).collect();
    let expected = |status| ("postgres".to_owned(), "connect".to_owned(), Some(status));
    assert_eq!(seen, [401, 401, 401, 401, 403].map(expected));
}

#[tokio::test]
async fn who_shows_a_token_sees_the_rows_of_their_grant_for_as_long_as_it_holds() {
    let login = Login::start().await;
    let mut world = World::behind(Door::KeysOnly).await.fill().await;
    world.api = world.api.clone().trusting(Issuer::hurried(login.trust()));
    let granted = grant(&world, "groups", "secops", Role::Analyst, &["org_a"]).await;
    let served = Served::of(world, Door::KeysOnly);
    let token = signed(ONE, Some("1"), &login.claims());
    let client = served.show(&token).await.unwrap();
    assert_eq!(orgs(&client).await, ["org_a"]);
    let mut late = login.claims();
    late["exp"] = json!(NOW.0 / SECOND - 120);
    for bad in [signed(TWO, Some("1"), &login.claims()), signed(ONE, Some("1"), &late), "no token".to_owned()] {
        let refused = served.show(&bad).await.unwrap_err();
        assert_eq!(state(&refused), &SqlState::INVALID_PASSWORD, "{bad}");
    }
    let admin = served.world.key(Role::Admin, &[]).await;
    let revoked = served.world.send_as(&admin, "DELETE", &format!("/v1/grants/{granted}"), &json!({})).await;
    assert!(revoked.status.is_success(), "{}", revoked.body);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        loop {
            // A prepared statement is closed behind its answer, by a message of which nobody hears how it ended.
            match client.simple_query("SELECT 1").await {
                Ok(_) => tokio::time::sleep(FRESH).await,
                Err(error) => return error,
            }
        }
    });
    assert_eq!(state(&ended.await.unwrap()), &SqlState::INSUFFICIENT_PRIVILEGE);
    let refused = served.show(&token).await.unwrap_err();
    assert_eq!(state(&refused), &SqlState::INSUFFICIENT_PRIVILEGE);
    let rows = served.audit().await;
    assert!(rows.iter().any(|row| row.action == "query" && row.principal.as_deref() == Some("oidc:u-17")));
    assert!(!format!("{rows:?}").contains(&token));
}

#[tokio::test]
async fn a_revoked_key_ends_its_connections_also_where_a_statement_was_prepared() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let client = served.enter(&key, "credwatch").await.unwrap();
    let prepared = client.prepare("SELECT count(*) FROM events").await.unwrap();
    client.query(&prepared, &[]).await.unwrap();
    assert_eq!(
        Keys::new(served.world.lake.clone()).revoke(&key.id(), "test", NOW).await.unwrap(),
        crate::access::Revoked::Now
    );
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while client.query(&prepared, &[]).await.is_ok() {}
    })
    .await
    .unwrap();
    assert!(client.query("SELECT 1", &[]).await.is_err());
    let refused = served.enter(&key, "credwatch").await.unwrap_err();
    assert_eq!(state(&refused), &SqlState::INVALID_PASSWORD);
}

#[tokio::test]
async fn each_statement_is_recorded_with_its_values_and_who_asked() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    let client = served.enter(&key, "credwatch").await.unwrap();
    client.query("SELECT count(*) FROM events WHERE event_id = $1", &[&"e_1"]).await.unwrap();
    client.query("SELECT nothing FROM events", &[]).await.unwrap_err();
    let rows = served.audit().await;
    let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.status)).collect();
    assert_eq!(seen, [("connect", Some(200)), ("query", Some(200)), ("prepare", Some(400))]);
    assert!(rows.iter().all(|row| row.principal == Some(format!("key:{}", key.id()))));
    assert!(rows.iter().all(|row| row.org_id.as_ref().is_some_and(|org| org.as_str() == "org_a")));
    assert!(rows[1].detail.as_ref().unwrap().contains("e_1"), "{:?}", rows[1].detail);
}

/// Longer than anybody waits.
const ENDLESS: &str =
    "SELECT sum(a.value * b.value % 7) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_can_be_stopped_and_can_be_given_less_time() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let token = client.cancel_token();
    let (stopped, ()) = tokio::join!(client.simple_query(ENDLESS), async {
        while served.world.api.statements.running() == 0 {
            tokio::task::yield_now().await;
        }
        token.cancel_query(NoTls).await.unwrap();
    });
    assert_eq!(state(&stopped.unwrap_err()), &SqlState::QUERY_CANCELED);
    client.simple_query("SET statement_timeout = '200ms'").await.unwrap();
    let late = client.simple_query(ENDLESS).await.unwrap_err();
    assert_eq!(state(&late), &SqlState::QUERY_CANCELED);
}

/// As Superset does it: the number before the statement, and the rest on another connection.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_runs_is_stopped_from_others_of_its_key_and_of_no_other() {
    let served = Served::behind(Door::KeysOnly).await;
    let (key, another) = (served.world.key(Role::Analyst, &[]).await, served.world.key(Role::Analyst, &[]).await);
    let (busy, same) = (served.enter(&key, "credwatch").await.unwrap(), served.enter(&key, "credwatch").await.unwrap());
    let strange = served.enter(&another, "credwatch").await.unwrap();
    let pid: i32 = busy.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1";
    let shown = "SELECT state || ': ' || query FROM pg_stat_activity WHERE pid = $1";
    let nothing: [String; 0] = [];
    served.until_running(0).await;
    let (cancelled, ()) = tokio::join!(busy.simple_query(ENDLESS), async {
        served.until_running(1).await;
        assert_eq!(of_backend::<String>(&strange, shown, pid).await, nothing);
        assert!(stopped(&strange, stop, pid).await.is_empty());
        assert_eq!(stopped(&strange, "SELECT pg_terminate_backend($1)", pid).await, [false]);
        assert_eq!(of_backend::<String>(&same, shown, pid).await, [format!("active: {ENDLESS}")]);
        assert_eq!(stopped(&same, "SELECT pg_catalog.pg_cancel_backend($1)", pid).await, [true]);
    });
    assert_eq!(state(&cancelled.unwrap_err()), &SqlState::QUERY_CANCELED);
    assert_eq!(of_backend::<String>(&same, shown, pid).await, [format!("idle: {ENDLESS}")]);
    served.until_running(0).await;
    let (ended, ()) = tokio::join!(busy.simple_query(ENDLESS), async {
        served.until_running(1).await;
        assert_eq!(stopped(&same, stop, pid).await, [true]);
    });
    assert_eq!(state(&ended.unwrap_err()), &SqlState::ADMIN_SHUTDOWN);
    assert!(busy.simple_query("SELECT 1").await.is_err());
    while !of_backend::<String>(&same, shown, pid).await.is_empty() {
        tokio::time::sleep(FRESH).await;
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_ended_too_and_one_may_end_itself() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    let (idle, own) = (served.enter(&key, "credwatch").await.unwrap(), served.enter(&key, "org_a").await.unwrap());
    let pid: i32 = idle.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let ended = "SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    assert_eq!(texts(&own, ended).await, ["t"]);
    let closed = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while !idle.is_closed() {
            tokio::time::sleep(FRESH).await;
        }
    });
    closed.await.unwrap();
    let listed = "SELECT pid FROM pg_stat_activity WHERE pid = $1";
    while !of_backend::<i32>(&own, listed, pid).await.is_empty() {
        tokio::time::sleep(FRESH).await;
    }
    assert_eq!(stopped(&own, "SELECT pg_cancel_backend($1)", pid).await, [false]);
    let refused = own.simple_query("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert_eq!(state(&refused), &SqlState::ADMIN_SHUTDOWN);
}

#[tokio::test]
async fn the_catalogue_lists_the_callers_tables_with_their_comments_and_nothing_else() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    let client = served.enter(&key, "credwatch").await.unwrap();
    let listed = "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY 1";
    let names: Vec<String> = client.query(listed, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(names.contains(&"events".to_owned()) && names.contains(&"calls".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| matches!(name.as_str(), "records" | "keys" | "audit")), "{names:?}");
    let commented = "SELECT d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE c.relname = 'events' AND d.objsubid = 0";
    let comment: String = client.query_one(commented, &[]).await.unwrap().get(0);
    assert_eq!(comment, "Every event, once.");
    let oid = "SELECT oid FROM pg_class WHERE relname = 'findings'";
    let [one, other] = [client.simple_query(oid).await.unwrap(), client.simple_query(oid).await.unwrap()];
    assert_eq!(format!("{one:?}"), format!("{other:?}"), "what one statement has found the next can use");
}

/// The kinds of messages that a server has sent.
fn kinds(mut heard: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [kind, a, b, c, d, ..] = *heard {
        kinds.push(kind);
        heard = &heard[1 + u32::from_be_bytes([a, b, c, d]) as usize..];
    }
    kinds
}

#[tokio::test]
async fn a_client_that_sends_nonsense_or_too_much_is_cut_off_and_others_are_not() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let served = Served::behind(Door::KeysOnly).await;
    let startup = b"\0\0\0\x1b\0\x03\0\0user\0x\0database\0y\0\0";
    let query = [&b"Q"[..], &[0, 0, 0, 13], b"SELECT 1\0"].concat();
    let long = [&b"p"[..], &0x3fff_0000_u32.to_be_bytes()].concat();
    let cases: [Vec<u8>; 5] = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![0xff; 64],
        [&startup[..], &query].concat(),
        [&startup[..], &long].concat(),
    ];
    for bytes in cases {
        let mut tcp = tokio::net::TcpStream::connect(served.address).await.unwrap();
        tcp.write_all(&bytes).await.unwrap();
        let mut heard = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(10), tcp.read_to_end(&mut heard)).await.unwrap().ok();
        let kinds = kinds(&heard);
        assert!(kinds.iter().all(|kind| matches!(kind, b'E' | b'R')), "{kinds:?} for {bytes:?}");
    }
    let key = served.world.key(Role::Analyst, &[]).await;
    served.enter(&key, "credwatch").await.unwrap().simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_brought_counts_also_where_none_is_asked_for() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    assert_eq!(orgs(&served.enter(&key, "credwatch").await.unwrap()).await, ["org_a"]);
    let wrong = served.connect(Config::new().user(key.id().as_str()).password("wrong").dbname("credwatch")).await;
    assert_eq!(state(&wrong.unwrap_err()), &SqlState::INVALID_PASSWORD);
}

#[tokio::test]
async fn rows_are_fetched_in_pages_and_a_revoked_key_gets_no_further_page() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let mut client = served.enter(&key, "credwatch").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT value FROM generate_series(1, 10) AS t(value)", &[]).await.unwrap();
    let mut values: Vec<i64> = Vec::new();
    for page in [3, 3, i32::MAX, i32::MAX] {
        values.extend(transaction.query_portal(&portal, page).await.unwrap().iter().map(|row| row.get::<_, i64>(0)));
    }
    assert_eq!(values, (1..=10).collect::<Vec<_>>());
    let portal = transaction.bind("SELECT value FROM generate_series(1, 10) AS t(value)", &[]).await.unwrap();
    transaction.query_portal(&portal, 1).await.unwrap();
    let revoked = Keys::new(served.world.lake.clone()).revoke(&key.id(), "test", NOW).await.unwrap();
    assert_eq!(revoked, crate::access::Revoked::Now);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while transaction.query_portal(&portal, 1).await.is_ok() {}
    });
    ended.await.unwrap();
    assert!(transaction.query("SHOW search_path", &[]).await.is_err(), "nothing is heard any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_only_look_short_are_refused_and_the_server_lives() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let chain = ["SELECT ", &"1+".repeat(120_000), "1"].concat();
    let steps = include_str!("../../../query/src/doubling/steps.sql").to_owned();
    for hostile in [chain, steps] {
        for error in [client.simple_query(&hostile).await.unwrap_err(), client.prepare(&hostile).await.unwrap_err()] {
            assert_eq!(state(&error), &SqlState::SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION, "{error:?}");
        }
    }
    assert_eq!(orgs(&client).await, ["org_a", "org_b"]);
}

/// What over HTTP is an answer is the same answer here, and what is an error there is one here.
#[tokio::test]
async fn a_statement_over_the_lakes_tables_means_what_it_means_over_http() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let statements = [
        "SELECT (SELECT count(*) FROM events e WHERE e.org_id = f.org_id) AS n FROM findings_current f WHERE f.title <> 'pg_class' ORDER BY n",
        "SELECT (SELECT c.typo FROM events c WHERE c.event_id = f.finding_id) AS n FROM findings f",
        "SELECT count(*) AS n FROM (SELECT unnest(make_array(1, 2)) AS x FROM events) WHERE 'pg_index' <> ''",
        "SELECT count(*) AS n FROM events WHERE org_id = ANY (make_array('org_a', 'pg_x'))",
    ];
    for sql in statements {
        let there = served.world.sql("/v1/sql", serde_json::json!({"sql": sql})).await;
        let here = client.simple_query(sql).await;
        match here {
            Err(_) => assert!(there.status.is_client_error(), "{sql}: {}", there.body),
            Ok(messages) => {
                let seen: Vec<String> = messages
                    .iter()
                    .filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
                        _ => None,
                    })
                    .collect();
                let rows = there.json();
                let expected: Vec<String> = rows.as_array().unwrap().iter().map(|row| row["n"].to_string()).collect();
                assert_eq!(seen, expected, "{sql}");
            }
        }
    }
}

#[tokio::test]
async fn a_span_of_time_that_is_null_is_null() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let row = client.query_one("SELECT CASE WHEN 1 = 2 THEN interval '1 day' END AS nothing", &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(0), None);
}

#[tokio::test]
async fn a_whole_finding_can_be_read_its_nested_columns_as_json() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let client = served.open().await;
    let rows = client.query("SELECT * FROM findings_current ORDER BY finding_id", &[]).await.unwrap();
    let subject: String = rows[0].get("subject");
    let subject: serde_json::Value = serde_json::from_str(&subject).unwrap();
    assert!(subject.is_object(), "{subject}");
    let compared: Option<String> = rows[0].get("compared");
    assert!(compared.is_none_or(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap().is_array()));
}

#[tokio::test]
async fn many_connections_of_one_key_each_come_to_their_turn() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(served.enter(&key, "credwatch").await.unwrap());
    }
    let all = futures::future::join_all(clients.iter().map(|client| client.query("SELECT 1", &[]))).await;
    assert!(all.iter().all(Result::is_ok), "{:?}", all.iter().find(|one| one.is_err()));
}
