//! One client, from its proof to its end: what it asks, and what it has set.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow_pg::datatypes::arrow_schema_to_pg_fields;
use credwatch_query::postgres::Postgres;
use credwatch_query::{Described, Params, Session};
use credwatch_schemas::access::Right;
use futures::stream;
use pgwire::api::portal::Format;
use pgwire::api::results::{QueryResponse, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use tokio_util::sync::CancellationToken;

use super::Office;
use super::cancel::Cancellable;
use super::command::Command;
use super::kept::Kept;
use super::prepared::one_text;
use super::refusal::{error, refusal};
use super::rows::{answer, encoded, on_the_wire};
use super::settings::Settings;
use crate::access::{Arrived, Permit, Resident, Surface};
use crate::handing_out::Running;
use crate::problem::Problem;
use crate::sql::{cancelled, not_now};
use crate::statements::{Ended, Turn};

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
        settings: Arc<Mutex<Settings>>,
        cancel: Cancellable,
    ) -> Result<Self, Problem> {
        let (read, kept) = (Arc::clone(&settings), Mutex::default());
        let setting = move |name: &str| read.lock().unwrap_or_else(PoisonError::into_inner).show(name).ok();
        let postgres = Postgres::new(&resident.name(), setting, Arc::new(cancel.theirs()));
        let postgres = postgres.map_err(|error| Problem::internal("setting up a connection", &error))?;
        Ok(Self(Arc::new(Inner { office, resident, org, address, postgres, settings, kept, cancel })))
    }

    /// What the client has prepared and opened so far.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancelled when its owner has stopped it from another.
    pub(super) fn ended(&self) -> &CancellationToken {
        self.0.cancel.ended()
    }

    /// What was asked is answered, as far as it was asked for.
    pub(super) fn rests(&self) {
        self.0.cancel.rests();
    }

    /// More of the rows that are left are asked for.
    pub(super) fn goes_on(&self) {
        self.0.cancel.goes_on();
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

    fn forget<C: ClientPortalStore>(&self, client: &C, name: Option<&str>)
    where
        C::PortalStore: PortalStore,
    {
        let forgotten = self.kept().forget(name);
        forgotten.iter().for_each(|name| client.portal_store().rm_statement(name));
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement up to its first rows.
    async fn run(&self, sql: &str, params: Params) -> Result<Running, Problem> {
        let Inner { office, resident, org, address, cancel, .. } = &*self.0;
        let access = &office.api.access;
        let stopped = cancel.begin(sql, (access.clock)());
        let limits = self.settings().limits(office.api.limits);
        let arrived = Arrived::on(Surface::Postgres, access, "query", Some(*address));
        let run = |caller: crate::access::Caller| async {
            let permit = caller.within(org.as_deref())?.may(Right::RunSql)?;
            permit.says(&format!("{sql}, params: {params:?}"));
            let (session, turn) = tokio::select! {
                ready = self.ready(&permit) => ready?,
                () = stopped.cancelled() => return Err(cancelled()),
            };
            let running = Running::begin(session, turn, (sql, params), stopped.clone(), limits.time).await?;
            // A statement that stops itself has no answer, as in Postgres.
            if stopped.is_cancelled() { Err(cancelled()) } else { Ok(running) }
        };
        access.attend(resident, &arrived, run).await
    }

    /// What a statement's answer will look like. Only a refusal is recorded: what it would read is recorded when it runs.
    pub(super) async fn describe(&self, sql: &str) -> Result<Described, Problem> {
        let Inner { office, resident, org, address, .. } = &*self.0;
        let arrived =
            Arrived::on(Surface::Postgres, &office.api.access, "prepare", Some(*address)).recorded_if_refused();
        let describe = |caller: crate::access::Caller| async {
            let permit = caller.within(org.as_deref())?.may(Right::RunSql)?;
            permit.says(sql);
            let (session, turn) = self.ready(&permit).await?;
            let described = session.describe(sql).await;
            turn.end(Ended::Finished);
            Ok(described?)
        };
        office.api.access.attend(resident, &arrived, describe).await
    }

    /// A session over what is there by now, and a turn for one statement in it.
    async fn ready(&self, permit: &Permit) -> Result<(Session, Turn), Problem> {
        let Inner { office, postgres, .. } = &*self.0;
        let limits = self.settings().limits(office.api.limits);
        let id = uuid::Uuid::new_v4().simple().to_string();
        let turn = office.api.statements.wait(id, permit.principal(), limits.time).await.map_err(not_now)?;
        let (snapshot, scope) = (office.api.snapshot(permit).await?, permit.scope().clone());
        let session = Session::open_as_postgres(&snapshot, scope, permit.books(), limits, postgres)?;
        Ok((session.on(turn.ground()?), turn))
    }

    /// Does what a command asks. Nothing but the end is heard within a transaction that has failed.
    pub(super) async fn act<C>(
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
                self.forget(client, name.as_deref());
                done("DEALLOCATE")
            }
            Command::Discard => {
                self.settings().reset();
                self.forget(client, None);
                done("DISCARD ALL")
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
        let shown = described.cloned().unwrap_or_else(|| on_the_wire(&running.rows.schema()));
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

pub(super) fn aborted() -> PgWireError {
    error("ERROR", "25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

fn done(word: &str) -> PgWireResult<Response> {
    Ok(Response::Execution(Tag::new(word)))
}
