//! One call: who sends it, as far as it says, and whose rows it means.

use std::future::Future;
use std::net::SocketAddr;

use credwatch_schemas::access::Right;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::Office;
use super::refusal::refusal;
use super::socket::Entrant;
use crate::access::{Arrived, Bringing, Brought, Permit, Surface, brought};
use crate::problem::Problem;

/// Names the org that is meant, as `?org=` does over HTTP.
const ORG: &str = "org";

pub(super) struct Visit {
    pub(super) office: Office,
    bringing: Bringing,
    org: Result<Option<String>, Problem>,
    address: Option<SocketAddr>,
}

impl Visit {
    pub(super) fn of<T>(office: &Office, request: &Request<T>) -> Self {
        Self {
            office: office.clone(),
            bringing: Bringing { brought: brought(&request.metadata().clone().into_headers()), door: office.door },
            org: org(request.metadata()),
            address: request.extensions().get::<Entrant>().map(|from| from.address),
        }
    }

    pub(super) fn brought(&self) -> &Brought {
        &self.bringing.brought
    }

    /// Does the work for whoever may run statements. It runs in a task of its own: whoever hangs up must not take the
    /// audit's row along; the token tells that they did, until the work is done.
    pub(super) async fn attend<T, W>(
        self,
        action: &'static str,
        work: impl FnOnce(Permit, CancellationToken) -> W + Send + 'static,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let Self { office, bringing, org, address } = self;
        let arrived = Arrived::on(Surface::FlightSql, &office.api.access, action, address);
        let arrived = if action == QUERY || action == CONNECT { arrived } else { arrived.recorded_if_refused() };
        let hung_up = CancellationToken::new();
        let (stopped, hung_up) = (hung_up.clone(), hung_up.drop_guard());
        let attended = tokio::spawn(async move {
            let attended = office.api.access.attend(&bringing, &arrived, |caller| async move {
                work(caller.within(org?.as_deref())?.may(Right::RunSql)?, stopped).await
            });
            attended.await
        });
        let done = attended.await.unwrap_or_else(|died| Err(Problem::internal("answering the call", &died)));
        hung_up.disarm();
        done.map_err(|problem| refusal(&problem))
    }
}

fn org(headers: &MetadataMap) -> Result<Option<String>, Problem> {
    let bad = |why| Problem::bad_request("bad_org", why);
    let mut all = headers.get_all(ORG).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            one.to_str().map(|org| Some(org.to_owned())).map_err(|_| bad("the header org is not text"))
        }
        (Some(_), Some(_)) => Err(bad("the header org is there twice")),
    }
}

/// What calls are recorded as. The last two read nobody's rows, so of them only refusals are.
pub(super) const CONNECT: &str = "connect";
pub(super) const QUERY: &str = "query";
pub(super) const PREPARE: &str = "prepare";
pub(super) const CATALOGUE: &str = "catalogue";
