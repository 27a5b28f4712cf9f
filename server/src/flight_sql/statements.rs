//! Statements, described and run.

use std::future::Future;

use arrow::datatypes::SchemaRef;
use credwatch_query::{Described, QueryError, Session, TableInfo};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::Office;
use super::handle::Handle;
use super::visit::{CATALOGUE, PREPARE, QUERY, Visit};
use crate::access::Permit;
use crate::handing_out::Running;
use crate::problem::Problem;
use crate::sql::{cancelled, not_now};
use crate::statements::{Ended, Turn};

impl Visit {
    /// Runs a statement up to its first rows.
    pub(super) async fn run(self, handle: Handle) -> Result<Running, Status> {
        let office = self.office.clone();
        let run = move |permit: Permit, hung_up: CancellationToken| async move {
            let params = handle.params();
            permit.says(&format!("{}, params: {params:?}", handle.sql));
            let begin = async {
                let (session, turn) = office.ready(&permit).await?;
                let (stopped, time) = (turn.stopped(), office.api.limits.time);
                Running::begin(session, turn, (&handle.sql, params), stopped, time).await
            };
            unless(hung_up, begin).await
        };
        self.attend(QUERY, run).await
    }

    /// What a statement's answer will look like, and which values it takes.
    pub(super) async fn describe(self, sql: String) -> Result<Described, Status> {
        self.plan(Handle::of(sql), |session, handle| async move { session.describe(&handle.sql).await }).await
    }

    /// What the answer will look like with the values that are bound.
    pub(super) async fn columns(self, handle: Handle) -> Result<SchemaRef, Status> {
        self.plan(handle, |session, handle| async move { session.columns(&handle.sql, handle.params()).await }).await
    }

    async fn plan<T: Send + 'static, W>(
        self,
        handle: Handle,
        plan: impl FnOnce(Session, Handle) -> W + Send + 'static,
    ) -> Result<T, Status>
    where
        W: Future<Output = Result<T, QueryError>> + Send,
    {
        let office = self.office.clone();
        let work = move |permit: Permit, hung_up: CancellationToken| async move {
            permit.says(&handle.sql);
            let planned = async {
                let (session, turn) = office.ready(&permit).await?;
                let planned = plan(session, handle).await;
                turn.end(Ended::Finished);
                Ok(planned?)
            };
            unless(hung_up, planned).await
        };
        self.attend(PREPARE, work).await
    }

    /// The tables that a statement can name.
    pub(super) async fn tables(self) -> Result<Vec<TableInfo>, Status> {
        let office = self.office.clone();
        let list = move |permit: Permit, _stopped| async move { Ok(office.session(&permit).await?.tables().to_vec()) };
        self.attend(CATALOGUE, list).await
    }
}

async fn unless<T>(hung_up: CancellationToken, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::select! {
        done = work => done,
        () = hung_up.cancelled() => Err(cancelled()),
    }
}

impl Office {
    /// A session over what is there by now, and a turn for one statement in it.
    async fn ready(&self, permit: &Permit) -> Result<(Session, Turn), Problem> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let turn =
            self.api.statements.wait_among_few(id, permit.principal(), self.api.limits.time).await.map_err(not_now)?;
        Ok((self.session(permit).await?.on(turn.ground()?), turn))
    }

    async fn session(&self, permit: &Permit) -> Result<Session, Problem> {
        let snapshot = self.api.snapshot(permit).await?;
        Ok(Session::open_with(&snapshot, permit.scope().clone(), permit.books(), self.api.limits)?)
    }
}
