//! A connection's answers in the protocol's messages: the simple protocol, where a text is one or more statements, and the
//! extended one, where a statement is prepared, bound and executed in pages.

use std::sync::Arc;

use async_trait::async_trait;
use credwatch_query::Params;
use futures::{Sink, SinkExt, StreamExt};
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

use super::command::{Command, commands};
use super::connection::{Connection, aborted};
use super::kept::{Rows, named};
use super::prepared::Prepared;
use super::refusal::{error, refusal};

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

impl Connection {
    /// Rows of a portal, so many as were asked for; none or less stands for all.
    async fn give<C>(&self, client: &mut C, portal: &str, mut rows: QueryResponse, most: i32) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (most, mut given) = (usize::try_from(most).unwrap_or(0), 0);
        while let Some(row) = rows.data_rows.next().await {
            client.feed(PgWireBackendMessage::DataRow(row?)).await?;
            given += 1;
            if given == most {
                self.kept().put_back(portal, Rows::Left(Box::new(rows)));
                return Ok(client.feed(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())).await?);
            }
        }
        send_execution_response(client, Tag::new(rows.command_tag()).with_rows(given)).await
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
        let name = named(execute.name.as_ref());
        let rows = self.kept().rows(&name);
        let response = match rows {
            Rows::AllGiven => return send_execution_response(client, Tag::new("SELECT").with_rows(0)).await,
            Rows::Left(_) if client.transaction_status() == TransactionStatus::Error => return Err(aborted()),
            Rows::Left(rows) => {
                self.goes_on();
                Response::Query(*rows)
            }
            Rows::NotBegun => match client.portal_store().get_portal(&name) {
                Some(Entry::Value(portal)) => ExtendedQueryHandler::do_query(self, client, &portal, 0).await?,
                Some(Entry::Empty) => {
                    client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
                    return Ok(());
                }
                None => return Err(PgWireError::PortalNotFound(name)),
            },
        };
        match response {
            Response::Query(rows) => self.give(client, &name, rows, execute.max_rows).await,
            other => {
                let ends = matches!(other, Response::TransactionEnd(_));
                send(client, other).await?;
                if ends {
                    self.close_portals(client);
                }
                Ok(())
            }
        }
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
