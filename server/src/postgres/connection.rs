//! One client, from its proof to its end: what it asks, and what it has set.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow_pg::datatypes::arrow_schema_to_pg_fields;
use async_trait::async_trait;
use credwatch_query::postgres::Postgres;
use credwatch_query::{Described, Params, Session};
use credwatch_schemas::access::Right;
use futures::{Sink, StreamExt, TryStreamExt, stream};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{
    ExtendedQueryHandler, SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query,
};
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{Execute, PortalSuspended};
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;
use tokio::time::Instant;

use super::Office;
use super::cancel::Cancellable;
use super::command::{Command, commands};
use super::kept::{Kept, Rows, named};
use super::prepared::{Prepared, one_text};
use super::refusal::{error, refusal};
use super::rows::{Running, answer, encoded, on_the_wire};
use super::settings::Settings;
use crate::access::{Arrived, Permit, Resident};
use crate::problem::Problem;
use crate::sql::{cancelled, not_now};
use crate::statements::Ended;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    office: Office,
    resident: Resident,
    /// Whose rows are meant, where the client has said it.
    org: Option<String>,
    address: SocketAddr,
    postgres: Postgres,
    settings: Arc<Mutex<Settings>>,
    kept: Mutex<Kept>,
    cancel: Cancellable,
}

impl Connection {
    pub(super) fn new(
        office: Office,
        resident: Resident,
        org: Option<String>,
        address: SocketAddr,
        settings: Settings,
        cancel: Cancellable,
    ) -> Result<Self, Problem> {
        let (settings, kept) = (Arc::new(Mutex::new(settings)), Mutex::default());
        let read = Arc::clone(&settings);
        let setting = move |name: &str| read.lock().unwrap_or_else(PoisonError::into_inner).show(name).ok();
        let postgres = Postgres::new(&resident.name(), setting);
        let postgres = postgres.map_err(|error| Problem::internal("setting up a connection", &error))?;
        Ok(Self(Arc::new(Inner { office, resident, org, address, postgres, settings, kept, cancel })))
    }

    /// What the client has prepared and opened so far.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A revoked key ends its connection, whatever is asked next.
    pub(super) async fn still_holds(&self) -> PgWireResult<()> {
        let held = self.0.office.api.access.still_holds(&self.0.resident).await;
        held.map_err(|problem| refusal(&problem))
    }

    /// Portals last as long as their transaction, and a statement outside of one is one.
    pub(super) fn close_portals<C: ClientPortalStore>(&self, client: &C)
    where
        C::PortalStore: PortalStore,
    {
        self.kept().close_portals();
        client.portal_store().clear_portals();
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement up to its first rows.
    async fn run(&self, sql: &str, params: Params) -> Result<Running, Problem> {
        let Inner { office, resident, org, address, cancel, .. } = &*self.0;
        let (access, stopped) = (&office.api.access, cancel.begin());
        let limits = self.settings().limits(office.api.limits);
        let arrived = Arrived::on_postgres(access, "query", *address);
        let run = |caller: crate::access::Caller| async {
            let permit = caller.within(org.as_deref())?.may(Right::RunSql)?;
            permit.says(&format!("{sql}, params: {params:?}"));
            let id = uuid::Uuid::new_v4().simple().to_string();
            let turn = office.api.statements.wait(id, permit.principal(), limits.time);
            let turn = tokio::select! {
                turn = turn => turn.map_err(not_now)?,
                () = stopped.cancelled() => return Err(cancelled()),
            };
            let session = self.session(&permit).await?.on(turn.ground()?);
            let deadline = Instant::now() + limits.time;
            let begin = async {
                let mut rows = session.run(sql, params).await?;
                let first = rows.try_next().await?;
                Ok::<_, Problem>((rows, first))
            };
            let begun = tokio::select! {
                begun = begin => begun,
                () = stopped.cancelled() => return Err(cancelled()),
            };
            let (rows, first) = begun.inspect_err(|problem| turn.end(Ended::Failed(problem.detail().to_owned())))?;
            Ok(Running { rows, first, turn, stopped: stopped.clone(), deadline })
        };
        access.attend(resident, &arrived, run).await
    }

    /// What a statement's answer will look like. Only a refusal is recorded: what it would read is recorded when it runs.
    async fn describe(&self, sql: &str) -> Result<Described, Problem> {
        let Inner { office, resident, org, address, .. } = &*self.0;
        let limits = self.settings().limits(office.api.limits);
        let arrived = Arrived::on_postgres(&office.api.access, "prepare", *address).recorded_if_refused();
        let describe = |caller: crate::access::Caller| async {
            let permit = caller.within(org.as_deref())?.may(Right::RunSql)?;
            permit.says(sql);
            let id = uuid::Uuid::new_v4().simple().to_string();
            let turn = office.api.statements.wait(id, permit.principal(), limits.time).await.map_err(not_now)?;
            let session = self.session(&permit).await?.on(turn.ground()?);
            let described = session.describe(sql).await;
            turn.end(Ended::Finished);
            Ok(described?)
        };
        office.api.access.attend(resident, &arrived, describe).await
    }

    async fn session(&self, permit: &Permit) -> Result<Session, Problem> {
        let Inner { office, postgres, .. } = &*self.0;
        let (snapshot, limits) = (office.api.snapshot(permit).await?, self.settings().limits(office.api.limits));
        let (scope, books) = (permit.scope().clone(), permit.books());
        Ok(Session::open_as_postgres(&snapshot, scope, books, limits, postgres)?)
    }

    /// Does what a command asks. Nothing but the end is heard within a transaction that has failed.
    async fn act<C>(
        &self,
        client: &C,
        command: &Command,
        params: Params,
        (format, described): (&Format, Option<&Schema>),
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sync,
        C::PortalStore: PortalStore,
    {
        let has_failed = client.transaction_status() == TransactionStatus::Error;
        if has_failed && !command.ends_a_failure() {
            return Err(aborted());
        }
        match command {
            Command::Read(sql) => self.read(sql, params, format, described).await,
            Command::Begin => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
            Command::Commit if has_failed => Ok(Response::TransactionEnd(Tag::new("ROLLBACK"))),
            Command::Commit => Ok(Response::TransactionEnd(Tag::new("COMMIT"))),
            Command::Rollback => Ok(Response::TransactionEnd(Tag::new("ROLLBACK"))),
            Command::RollbackTo if client.transaction_status() == TransactionStatus::Idle => done("ROLLBACK"),
            Command::RollbackTo => Ok(Response::TransactionStart(Tag::new("ROLLBACK"))),
            Command::Show(name) => self.show(name, format),
            Command::Nothing(word) => done(word),
            Command::Set { name, value } => {
                self.settings().set(name, value.as_deref()).map_err(|problem| refusal(&problem))?;
                done(if value.is_some() { "SET" } else { "RESET" })
            }
            Command::Reset => {
                self.settings().reset();
                done("RESET")
            }
            Command::Deallocate(name) => {
                let forgotten = self.kept().forget(name.as_deref());
                forgotten.iter().for_each(|name| client.portal_store().rm_statement(name));
                done("DEALLOCATE")
            }
        }
    }

    /// Whoever was told of other columns than there are by now would misread them.
    async fn read(
        &self,
        sql: &str,
        params: Params,
        format: &Format,
        described: Option<&Schema>,
    ) -> PgWireResult<Response> {
        let running = self.run(sql, params).await.map_err(|problem| refusal(&problem))?;
        let written = Arc::new(self.settings().format());
        let shown = on_the_wire(&running.rows.schema());
        let shown = described.cloned().unwrap_or_else(|| shown.clone());
        if shown.fields().len() != running.rows.schema().fields().len() {
            return Err(error("ERROR", "0A000", "cached plan must not change result type"));
        }
        let fields = arrow_schema_to_pg_fields(&shown, format, Some(written))?;
        Ok(answer(running, Arc::new(shown), Arc::new(fields)))
    }

    fn show(&self, name: &str, format: &Format) -> PgWireResult<Response> {
        let value = self.settings().show(name).map_err(|problem| refusal(&problem))?;
        let schema = one_text(name);
        let column: ArrayRef = Arc::new(StringArray::from_iter_values([value]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]);
        let batch = batch.map_err(|cause| refusal(&Problem::internal("showing a setting", &cause)))?;
        let fields = Arc::new(arrow_schema_to_pg_fields(&schema, format, None)?);
        let rows = encoded(&batch, &schema, Arc::clone(&fields))?;
        let mut response = QueryResponse::new(fields, stream::iter(rows.into_iter().map(Ok)));
        response.set_command_tag("SHOW");
        Ok(Response::Query(response))
    }
}

fn aborted() -> PgWireError {
    error("ERROR", "25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

fn done(word: &str) -> PgWireResult<Response> {
    Ok(Response::Execution(Tag::new(word)))
}

#[async_trait]
impl SimpleQueryHandler for Connection {
    /// Each statement is answered before the next begins.
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        use futures::SinkExt;
        client.set_state(PgWireConnectionState::QueryInProgress);
        let commands = commands(&query.query);
        if commands.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for command in commands {
            let response = self.act(client, &command, Params::None, (&Format::UnifiedText, None)).await?;
            if command.ends_a_transaction() {
                self.close_portals(client);
            }
            send(client, response).await?;
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        let status = client.transaction_status();
        send_ready_for_query(client, status).await
    }

    async fn do_query<C>(&self, _client: &mut C, _query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(error("ERROR", "XX000", "statements are answered one by one"))
    }
}

async fn send<C>(client: &mut C, response: Response) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
    C::Error: std::fmt::Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match response {
        Response::Query(rows) => send_query_response(client, rows, true).await,
        Response::Execution(tag) => send_execution_response(client, tag).await,
        Response::TransactionStart(tag) => {
            client.set_transaction_status(TransactionStatus::Transaction);
            send_execution_response(client, tag).await
        }
        Response::TransactionEnd(tag) => {
            client.set_transaction_status(client.transaction_status().to_idle_state());
            send_execution_response(client, tag).await
        }
        _ => Err(error("ERROR", "0A000", "COPY is not done here")),
    }
}

#[async_trait]
impl ExtendedQueryHandler for Connection {
    type Statement = Prepared;
    type QueryParser = Self;

    fn query_parser(&self) -> Arc<Self> {
        Arc::new(self.clone())
    }

    /// Rows go out as they come. What a client leaves for later waits in its portal, and holds its turn until it is too
    /// late.
    async fn on_execute<C>(&self, client: &mut C, execute: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        use futures::SinkExt;
        let name = named(execute.name.as_ref());
        let rows = self.kept().rows(&name);
        let response = match rows {
            Rows::AllGiven => return send_execution_response(client, Tag::new("SELECT").with_rows(0)).await,
            Rows::Left(_) if client.transaction_status() == TransactionStatus::Error => return Err(aborted()),
            Rows::Left(rows) => Response::Query(*rows),
            Rows::NotBegun => match client.portal_store().get_portal(&name) {
                Some(Entry::Value(portal)) => ExtendedQueryHandler::do_query(self, client, &portal, 0).await?,
                Some(Entry::Empty) => {
                    client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
                    return Ok(());
                }
                None => return Err(PgWireError::PortalNotFound(name)),
            },
        };
        let Response::Query(mut rows) = response else {
            let ends = matches!(response, Response::TransactionEnd(_));
            send(client, response).await?;
            if ends {
                self.close_portals(client);
            }
            return Ok(());
        };
        let most = usize::try_from(execute.max_rows).unwrap_or(0);
        let mut given = 0;
        while let Some(row) = rows.data_rows.next().await {
            client.feed(PgWireBackendMessage::DataRow(row?)).await?;
            given += 1;
            if given == most {
                self.kept().put_back(&name, Rows::Left(Box::new(rows)));
                return Ok(client.feed(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())).await?);
            }
        }
        send_execution_response(client, Tag::new(rows.command_tag()).with_rows(given)).await
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _most_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        let values = prepared.values(portal)?;
        self.act(&*client, &prepared.command, values, (&portal.result_column_format, Some(prepared.schema()))).await
    }
}

#[async_trait]
impl QueryParser for Connection {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut commands = commands(sql);
        let has_failed = client.transaction_status() == TransactionStatus::Error;
        if has_failed && !commands.iter().all(Command::ends_a_failure) {
            return Err(aborted());
        }
        match (commands.pop(), commands.len()) {
            (None, _) => Ok(None),
            (Some(Command::Read(text)), 0) => {
                let described = self.describe(&text).await.map_err(|problem| refusal(&problem))?;
                Prepared::reading(text, &described).map(Some)
            }
            (Some(command), 0) => Ok(Some(Prepared::telling(command))),
            _ => Err(error("ERROR", "42601", "cannot insert multiple commands into a prepared statement")),
        }
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(statement.parameter_types())
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        statement.fields(format.unwrap_or(&Format::UnifiedText))
    }
}
