//! The calls of the protocol, one method each: what is asked becomes a visit, what comes back becomes messages.

use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandPreparedStatementQuery, CommandStatementQuery, DoPutPreparedStatementResult, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc, Ticket,
};
use credwatch_query::Described;
use futures::stream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::Office;
use super::catalogue::{self, CATALOG, KINDS, SCHEMA};
use super::handle::Handle;
use super::plain;
use super::refusal::refusal;
use super::rows::{Rows, answer, invitation, unwritten, whole};
use super::values::values;
use super::visit::{CATALOGUE, CONNECT, Visit};
use crate::access::Brought;
use crate::problem::Problem;

type Handshakes = <Office as FlightService>::HandshakeStream;

#[tonic::async_trait]
impl FlightSqlService for Office {
    type FlightService = Self;

    /// Clients with a user name and a password show the key as the password, once, and are told what to bring from then on.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Handshakes>, Status> {
        let visit = Visit::of(self, &request);
        let brought = visit.brought().clone();
        visit.attend(CONNECT, |_permit, _stopped| async { Ok(()) }).await?;
        let answered = HandshakeResponse::default();
        let mut response: Response<Handshakes> = Response::new(Box::pin(stream::iter([Ok(answered)])));
        if let Brought::Key(key) = brought {
            let bearer = MetadataValue::try_from(["Bearer ", &key.reveal()].concat());
            let bearer = bearer.map_err(|error| refusal(&Problem::internal("answering the handshake", &error)))?;
            response.metadata_mut().insert("authorization", bearer);
        }
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let described = Visit::of(self, &request).describe(query.query.clone()).await?;
        let ticket = TicketStatementQuery { statement_handle: Handle::of(query.query).bytes().into() };
        invitation(request.into_inner(), &plain::columns(&described.schema), &ticket)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let handle = Handle::read(&ticket.statement_handle).map_err(|problem| refusal(&problem))?;
        Ok(answer(Visit::of(self, &request).run(handle).await?))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let described = Visit::of(self, &request).describe(query.query.clone()).await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: Handle::of(query.query).bytes().into(),
            dataset_schema: message(&plain::columns(&described.schema))?,
            parameter_schema: message(&parameters(&described))?,
        })
    }

    /// The values become part of the handle: clients go on with the one that they are given here.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let visit = Visit::of(self, &request);
        let handle = Handle::read(&query.prepared_statement_handle).map_err(|problem| refusal(&problem))?;
        let values = values(request.into_inner()).await?;
        let bind = move |_permit, _stopped| async move { handle.binding(values) };
        let bound = visit.attend(CATALOGUE, bind).await?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(bound.bytes().into()) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle::read(&query.prepared_statement_handle).map_err(|problem| refusal(&problem))?;
        let columns = Visit::of(self, &request).columns(handle).await?;
        invitation(request.into_inner(), &plain::columns(&columns), &query)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let handle = Handle::read(&query.prepared_statement_handle).map_err(|problem| refusal(&problem))?;
        Ok(answer(Visit::of(self, &request).run(handle).await?))
    }

    /// There is nothing to forget.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        invitation(request.into_inner(), &query.into_builder().schema(), &query)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        Visit::of(self, &request).tables().await?;
        let mut builder = query.into_builder();
        builder.append(CATALOG);
        builder.build().map(whole).map_err(|error| unbuilt(&error))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        invitation(request.into_inner(), &query.clone().into_builder().schema(), &query)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        Visit::of(self, &request).tables().await?;
        let mut builder = query.into_builder();
        builder.append(CATALOG, SCHEMA);
        builder.build().map(whole).map_err(|error| unbuilt(&error))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        invitation(request.into_inner(), &query.clone().into_builder().schema(), &query)
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Result<Response<Rows>, Status> {
        let tables = Visit::of(self, &request).tables().await?;
        let mut builder = query.into_builder();
        catalogue::list(&tables, &mut builder).map_err(|error| unbuilt(&error))?;
        builder.build().map(whole).map_err(|error| unbuilt(&error))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        invitation(request.into_inner(), &query.into_builder().schema(), &query)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        Visit::of(self, &request).tables().await?;
        let mut builder = query.into_builder();
        KINDS.into_iter().for_each(|kind| builder.append(kind));
        builder.build().map(whole).map_err(|error| unbuilt(&error))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let info = catalogue::info()?;
        invitation(request.into_inner(), &query.clone().into_builder(info).schema(), &query)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        Visit::of(self, &request).tables().await?;
        let info = catalogue::info()?;
        query.into_builder(info).build().map(whole).map_err(|error| unbuilt(&error))
    }

    /// What there is to tell is told by [`catalogue::info`].
    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// Filters are the client's.
fn unbuilt(error: &FlightError) -> Status {
    refusal(&Problem::bad_request("bad_filter", error.to_string()))
}

fn parameters(described: &Described) -> Schema {
    let fields = (1..).zip(&described.parameters).map(|(place, known): (usize, _)| {
        let kind = known.as_ref().map_or(DataType::Null, |field| field.data_type().clone());
        Field::new(format!("${place}"), kind, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn message(schema: &Schema) -> Result<tonic::codegen::Bytes, Status> {
    let message: Result<IpcMessage, ArrowError> = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into();
    message.map(|IpcMessage(bytes)| bytes).map_err(|error| unwritten(&error))
}
