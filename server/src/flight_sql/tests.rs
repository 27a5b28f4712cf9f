//! The protocol as a client sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{Any, CommandGetDbSchemas, CommandGetTables, ProstMessageExt, SqlInfo, TicketStatementQuery};
use arrow_flight::{FlightInfo, Ticket};
use axum::http::StatusCode;
use credwatch_schemas::access::Role;
use credwatch_schemas::ids::OrgId;
use futures::TryStreamExt;
use prost::Message;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::access::{Door, Key, Keys, Revoked};
use crate::listener::{Listening, Transport};
use crate::world::{NOW, World};

type Client = FlightSqlServiceClient<Channel>;

const ENDLESS: &str = "SELECT sum(a.seq * b.seq % 7) FROM events a, events b, events c, events d, events e, events f, events g, events h, \
     events i, events j, events k, events l, events m, events n, events o, events p, events q, events r, events s";

/// A served world; the server stops with it.
struct Served {
    world: World,
    address: SocketAddr,
    _stop: DropGuard,
}

impl Served {
    /// `door` is that of this listener; the API has the other one.
    async fn behind(door: Door) -> Self {
        let other = if door == Door::KeysOnly { Door::LocalIsOperator } else { Door::KeysOnly };
        let world = World::behind(other).await.fill().await;
        let listening = Listening::bind("127.0.0.1:0".parse().unwrap(), door, &Transport::Plain).unwrap();
        let (address, stop) = (listening.address(), CancellationToken::new());
        let (api, stopped) = (world.api.clone(), stop.clone());
        tokio::spawn(async move { super::serve(listening, api, stopped.cancelled_owned()).await });
        Self { world, address, _stop: stop.drop_guard() }
    }

    async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        FlightSqlServiceClient::new(endpoint.connect().await.unwrap())
    }

    async fn bringing(&self, key: &Key) -> Client {
        let mut client = self.client().await;
        client.set_token(key.clone().reveal());
        client
    }
}

async fn rows(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    let mut batches = Vec::new();
    for endpoint in info.endpoint {
        let stream = client.do_get(endpoint.ticket.unwrap()).await?;
        batches.extend(stream.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}

async fn ask(client: &mut Client, sql: &str) -> Result<Vec<RecordBatch>, FlightError> {
    let info = client.execute(sql.to_owned(), None).await?;
    rows(client, info).await
}

async fn orgs(client: &mut Client) -> Result<Vec<String>, FlightError> {
    let batches = ask(client, "SELECT DISTINCT org_id FROM events ORDER BY org_id").await?;
    Ok(batches.iter().flat_map(|batch| texts(batch, 0)).collect())
}

fn texts(batch: &RecordBatch, column: usize) -> Vec<String> {
    let column = arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()).collect()
}

/// The client wraps a status into its own error and keeps its words.
fn assert_refused(answered: Result<impl std::fmt::Debug, FlightError>, words: &str) {
    let said = answered.unwrap_err().to_string();
    assert!(said.contains(words), "{words}: {said}");
}

#[tokio::test]
async fn a_client_gets_columns_with_their_types() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    let sql =
        "SELECT count(*) AS n, max(time) AS last, NULL AS nothing, array_agg(DISTINCT org_id) AS orgs FROM events";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let promised = info.clone().try_decode_schema().unwrap();
    let batches = rows(&mut client, info).await.unwrap();
    let [batch] = &batches[..] else { panic!("{batches:?}") };
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 3);
    assert!(batch.column(1).data_type().is_temporal() && batch.column(2).data_type().is_null());
    assert_eq!(batch.column(3).as_list::<i32>().value(0).len(), 2);
    let kinds = |schema: &arrow::datatypes::Schema| -> Vec<_> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    assert_eq!(kinds(&promised), kinds(&batch.schema()), "what was promised is what came");
    let nobody = ask(&mut client, "SELECT event_id FROM events WHERE org_id = 'org_nobody'").await.unwrap();
    assert_eq!(nobody.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test]
async fn whole_tables_of_every_kind_can_be_read() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    for table in ["events", "calls", "findings", "findings_current", "coverage", "audit", "information_schema.columns"]
    {
        let batches = ask(&mut client, &["SELECT * FROM ", table].concat()).await.unwrap();
        assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() > 0 || table == "calls", "{table}");
    }
}

#[tokio::test]
async fn values_are_bound_and_never_become_text_of_the_statement() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    let sql = "SELECT count(*) AS n FROM events WHERE org_id = $1 AND seq >= $2";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    assert_eq!(prepared.parameter_schema().unwrap().fields().len(), 2);
    let mut counted = Vec::new();
    for org in ["org_a", "org_b", "org_a' OR 'x' = 'x"] {
        let (org, least): (ArrayRef, ArrayRef) =
            (Arc::new(StringArray::from(vec![org])), Arc::new(Int64Array::from(vec![0])));
        prepared.set_parameters(RecordBatch::try_from_iter([("1", org), ("2", least)]).unwrap()).unwrap();
        let info = prepared.execute().await.unwrap();
        let batches = rows(&mut client, info).await.unwrap();
        counted.push(batches[0].column(0).as_primitive::<Int64Type>().value(0));
    }
    assert_eq!(counted, [2, 1, 0]);
    let two: ArrayRef = Arc::new(StringArray::from(vec!["org_a", "org_b"]));
    prepared.set_parameters(RecordBatch::try_from_iter([("1", two)]).unwrap()).unwrap();
    assert_refused(prepared.execute().await, "one row of values");
    prepared.close().await.unwrap();
}

#[tokio::test]
async fn who_brings_a_key_sees_the_rows_that_it_reaches() {
    let served = Served::behind(Door::KeysOnly).await;
    let (of_a, of_all) =
        (served.world.key(Role::Analyst, &["org_a"]).await, served.world.key(Role::Analyst, &[]).await);
    assert_eq!(orgs(&mut served.bringing(&of_a).await).await.unwrap(), ["org_a"]);
    assert_eq!(orgs(&mut served.bringing(&of_all).await).await.unwrap(), ["org_a", "org_b"]);
    let mut held = served.bringing(&of_all).await;
    held.set_header("org", "org_b");
    assert_eq!(orgs(&mut held).await.unwrap(), ["org_b"]);
    let mut reaching = served.bringing(&of_a).await;
    reaching.set_header("org", "org_b");
    assert_refused(orgs(&mut reaching).await, "does not reach that org");
    let of_both = served.world.key(Role::Analyst, &["org_a", "org_b"]).await;
    assert_refused(orgs(&mut served.bringing(&of_both).await).await, "name one");
}

#[tokio::test]
async fn a_user_and_a_password_are_exchanged_for_a_bearer() {
    let served = Served::behind(Door::KeysOnly).await;
    let (key, mut client) = (served.world.key(Role::Analyst, &["org_a"]).await, served.client().await);
    client.handshake(key.id().as_str(), &key.clone().reveal()).await.unwrap();
    assert_eq!(orgs(&mut client).await.unwrap(), ["org_a"]);
    let mut wrong = served.client().await;
    assert_refused(wrong.handshake("anybody", "not the key").await, "no API key");
}

#[tokio::test]
async fn without_a_key_nobody_is_answered_and_every_attempt_is_recorded() {
    let served = Served::behind(Door::KeysOnly).await;
    let mut nobody = served.client().await;
    assert_refused(orgs(&mut nobody).await, "a key is needed");
    assert_refused(nobody.do_get(tables_ticket()).await.map(|_| ()), "a key is needed");
    let viewer = served.world.key(Role::Viewer, &[]).await;
    assert_refused(orgs(&mut served.bringing(&viewer).await).await, "does not have the right run-sql");
    let stranger = Key::draw().unwrap();
    assert_refused(orgs(&mut served.bringing(&stranger).await).await, "there is no such key");
    let recorded: Vec<_> =
        served.world.audit().await.into_iter().map(|row| (row.surface, row.action, row.status)).collect();
    let row = |action: &str, status| ("flight-sql".to_owned(), action.to_owned(), Some(status));
    let expected = [row("GetFlightInfo", 401), row("DoGet", 401), row("prepare", 403), row("GetFlightInfo", 401)];
    assert_eq!(recorded, expected);
}

fn tables_ticket() -> Ticket {
    let command = CommandGetTables::default();
    Ticket::new(Any::encode_to_vec(&command.as_any()))
}

#[tokio::test]
async fn each_statement_is_recorded_with_its_values_before_its_rows_come() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    orgs(&mut served.bringing(&key).await).await.unwrap();
    let audit = served.world.audit().await;
    let [row] = &audit[..] else { panic!("{audit:?}") };
    assert_eq!((row.action.as_str(), row.status), ("query", Some(200)));
    assert_eq!(row.principal.as_deref(), Some(format!("key:{}", key.id()).as_str()));
    assert_eq!(row.org_id.as_ref().map(OrgId::as_str), Some("org_a"));
    assert!(row.detail.as_deref().unwrap().contains("SELECT DISTINCT org_id"));
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_not_even_what_it_has_prepared() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let mut client = served.bringing(&key).await;
    let info = client.execute("SELECT count(*) FROM events".to_owned(), None).await.unwrap();
    let mut prepared = client.prepare("SELECT count(*) FROM events".to_owned(), None).await.unwrap();
    let revoked = Keys::new(served.world.lake.clone()).revoke(&key.id(), "operator", NOW).await.unwrap();
    assert_eq!(revoked, Revoked::Now);
    sleep(crate::book::FRESH).await;
    assert_refused(rows(&mut client, info).await, "this key was revoked");
    assert_refused(prepared.execute().await, "this key was revoked");
}

#[tokio::test]
async fn what_one_was_given_to_come_back_with_gives_another_nothing_but_their_own() {
    let served = Served::behind(Door::KeysOnly).await;
    let (of_all, of_a) =
        (served.world.key(Role::Analyst, &[]).await, served.world.key(Role::Analyst, &["org_a"]).await);
    let sql = "SELECT DISTINCT org_id FROM events ORDER BY org_id";
    let info = served.bringing(&of_all).await.execute(sql.to_owned(), None).await.unwrap();
    let batches = rows(&mut served.bringing(&of_a).await, info).await.unwrap();
    assert_eq!(batches.iter().flat_map(|batch| texts(batch, 0)).collect::<Vec<_>>(), ["org_a"]);
}

#[tokio::test]
async fn statements_that_do_more_than_read_are_refused_by_name() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    for sql in [
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO events SELECT * FROM events",
        "COPY events TO '/tmp/x'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
    ] {
        assert_refused(client.execute(sql.to_owned(), None).await, "read");
        let ticket = TicketStatementQuery { statement_handle: super::handle::Handle::of(sql.into()).bytes().into() };
        let ticket = Ticket::new(Any::encode_to_vec(&ticket.as_any()));
        assert_refused(client.do_get(ticket).await.map(|_| ()), "read");
    }
    assert_refused(client.execute("SELEC 1".to_owned(), None).await, "SELEC");
    assert_refused(client.begin_transaction().await, "implement");
    assert_refused(client.execute_update("DELETE FROM events".to_owned(), None).await, "implement");
    assert_eq!(orgs(&mut client).await.unwrap(), ["org_a", "org_b"]);
}

#[tokio::test]
async fn the_catalogue_lists_what_the_key_sees_and_says_what_columns_mean() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &["org_a"]).await;
    let mut client = served.bringing(&key).await;
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap()[0], 0), ["credwatch"]);
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap()[0], 1), ["public"]);
    let info = client.get_table_types().await.unwrap();
    assert_eq!(texts(&rows(&mut client, info).await.unwrap()[0], 0), ["BASE TABLE", "VIEW"]);
    let asked = CommandGetTables {
        include_schema: true,
        table_name_filter_pattern: Some("events".into()),
        ..Default::default()
    };
    let info = client.get_tables(asked).await.unwrap();
    let batches = rows(&mut client, info).await.unwrap();
    assert_eq!(
        (texts(&batches[0], 2), texts(&batches[0], 3)),
        (vec!["events".to_owned()], vec!["BASE TABLE".to_owned()])
    );
    let schema = batches[0].column(4).as_binary::<i32>().value(0).to_vec();
    let schema = arrow::datatypes::Schema::try_from(arrow_flight::IpcMessage(schema.into())).unwrap();
    let status = schema.field_with_name("status").unwrap();
    assert!(status.metadata()["ARROW:FLIGHT:SQL:REMARKS"].contains("HTTP"), "{status:?}");
    let info = client.get_tables(CommandGetTables::default()).await.unwrap();
    let names = texts(&rows(&mut client, info).await.unwrap()[0], 2);
    assert!(names.contains(&"findings_current".to_owned()) && !names.contains(&"audit".to_owned()), "{names:?}");
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly]).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].num_rows(), 2);
}

#[tokio::test]
async fn who_hangs_up_frees_the_turn_and_stands_in_the_audit() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    let ticket = TicketStatementQuery { statement_handle: super::handle::Handle::of(ENDLESS.into()).bytes().into() };
    let ticket = Ticket::new(Any::encode_to_vec(&ticket.as_any()));
    timeout(Duration::from_millis(300), client.do_get(ticket)).await.map(|_| ()).unwrap_err();
    while served.world.api.statements.running() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let audit = loop {
        let audit = served.world.audit().await;
        if !audit.is_empty() {
            break audit;
        }
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(audit[0].code.as_deref(), Some("sql.cancelled"));
    assert_eq!(audit[0].status, Some(i64::from(StatusCode::CONFLICT.as_u16())));
    assert_eq!(orgs(&mut client).await.unwrap(), ["org_a", "org_b"]);
}

#[tokio::test]
async fn what_is_no_ticket_and_no_command_is_refused_and_the_connection_lives_on() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    for bytes in [&b""[..], b"SELECT 1", &[0xff; 64]] {
        assert!(client.do_get(Ticket::new(bytes.to_vec())).await.is_err());
    }
    let ticket = TicketStatementQuery { statement_handle: b"SELECT 1".to_vec().into() };
    let status =
        client.inner_mut().do_get(Request::new(Ticket::new(Any::encode_to_vec(&ticket.as_any())))).await.unwrap_err();
    assert_eq!(
        (status.code(), status.metadata().get("credwatch-code").unwrap().to_str().unwrap()),
        (Code::InvalidArgument, "bad_handle")
    );
    let large = client.execute("x".repeat(2 << 20), None).await;
    assert!(large.is_err());
    assert_eq!(orgs(&mut client).await.unwrap(), ["org_a", "org_b"]);
}

#[tokio::test]
async fn behind_the_local_door_only_programs_of_this_machine_are_answered() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    client.set_header("x-forwarded-for", "203.0.113.9");
    assert_refused(orgs(&mut client).await, "through a proxy");
    let rebound = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let rebound = rebound.origin("http://evil.example".parse().unwrap()).connect().await.unwrap();
    assert_refused(orgs(&mut FlightSqlServiceClient::new(rebound)).await, "answers to localhost");
    assert_eq!(orgs(&mut served.client().await).await.unwrap(), ["org_a", "org_b"]);
}

#[tokio::test]
async fn of_two_orgs_at_once_neither_is_meant() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let mut request = Request::new(tables_ticket());
    request.metadata_mut().append("org", "org_a".parse().unwrap());
    request.metadata_mut().append("org", "org_b".parse().unwrap());
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.reveal()).parse().unwrap());
    let refused = served.client().await.inner_mut().do_get(request).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "the header org is there twice"));
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_and_does_not_fill_the_audit() {
    let served = Served::behind(Door::KeysOnly).await;
    let key = served.world.key(Role::Analyst, &[]).await;
    let mut client = served.bringing(&key).await;
    let mut refused = 0;
    for _ in 0..400 {
        refused += usize::from(client.do_get(tables_ticket()).await.is_err());
    }
    assert!(refused >= 150, "{refused}");
    let audit = served.world.audit().await;
    assert!(audit.len() <= 100 && audit.iter().all(|row| row.code.as_deref() == Some("limit.rate")), "{audit:?}");
}

#[tokio::test]
async fn a_value_without_a_type_of_its_own_is_described_as_it_comes() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    let mut prepared = client.prepare("SELECT $1 AS said".to_owned(), None).await.unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    prepared.set_parameters(RecordBatch::try_from_iter([("1", text)]).unwrap()).unwrap();
    let info = prepared.execute().await.unwrap();
    let promised = info.clone().try_decode_schema().unwrap();
    let batches = rows(&mut client, info).await.unwrap();
    assert_eq!(promised, *batches[0].schema());
    assert_eq!(texts(&batches[0], 0), ["x"]);
}

#[tokio::test]
async fn what_many_rows_share_is_written_out_within_the_limit() {
    let served = Served::behind(Door::LocalIsOperator).await;
    let mut client = served.client().await;
    let shared = ask(&mut client, "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d FROM events").await.unwrap();
    assert_eq!(shared.iter().flat_map(|batch| texts(batch, 0)).collect::<Vec<_>>(), ["x", "x", "x"]);
    let long = [
        "SELECT arrow_cast('",
        &"x".repeat(200_000),
        "', 'Dictionary(Int32, Utf8)') AS d FROM information_schema.columns a, information_schema.columns b",
    ]
    .concat();
    assert_refused(ask(&mut client, &long).await, "the answer has more than");
}
