//! `credwatch grants add|list|remove`: what people may whom the configured issuer vouches for. Without --server it opens
//! the lake's files itself, so whoever runs it is the operator.

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anyhow::bail;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_query::format::write;
use credwatch_schemas::event::timestamp;
use credwatch_schemas::ids::GrantId;
use credwatch_schemas::rows::to_batch;
use credwatch_server::access::{GrantInfo, Grants, NewGrant};
use credwatch_server::grants::{Granted, Listed};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{self, AddGrant, misuse};
use crate::output;
use crate::remote::Server;
use crate::setting::{OPERATOR, Setting};
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: args::Grants) -> anyhow::Result<ExitCode> {
    let book = match setting.server()? {
        Some(server) => Book::Server(server),
        None => Book::Files(Grants::new(setting.lake_to_judge().await?)),
    };
    match asked {
        args::Grants::Add(asked) => add(&book, asked).await,
        args::Grants::List => list(setting, &book).await,
        args::Grants::Remove { id } => remove(&book, &GrantId::new(id.trim())).await,
    }
}

/// Where the book of grants is kept: in the lake's own files, or behind a server.
enum Book {
    Files(Grants),
    Server(Server),
}

impl Book {
    async fn grant(&self, grant: &NewGrant) -> anyhow::Result<GrantId> {
        match self {
            Self::Files(grants) => Ok(grants.grant(grant, OPERATOR, now()).await?),
            Self::Server(server) => {
                let body =
                    json!({"claim": grant.claim, "value": grant.value, "role": grant.role, "orgs": grant.reach.orgs()});
                Ok(server.send::<Granted>(Method::POST, &["v1", "grants"], &[], &body).await?.grant_id)
            }
        }
    }

    async fn list(&self) -> anyhow::Result<Vec<GrantInfo>> {
        match self {
            Self::Files(grants) => Ok(grants.list().await?.into_iter().map(GrantInfo::from).collect()),
            Self::Server(server) => Ok(server.get::<Listed>(&["v1", "grants"], &[]).await?.grants),
        }
    }

    /// False where no such grant stands.
    async fn withdraw(&self, id: &GrantId) -> anyhow::Result<bool> {
        match self {
            Self::Files(grants) => Ok(grants.withdraw(id, OPERATOR, now()).await?),
            Self::Server(server) => {
                let path = ["v1", "grants", id.as_str()];
                let _: Granted = server.send(Method::DELETE, &path, &[], &Value::Null).await?;
                Ok(true)
            }
        }
    }
}

async fn add(book: &Book, asked: AddGrant) -> anyhow::Result<ExitCode> {
    let grant = NewGrant::new(&asked.claim, &asked.value, asked.role, asked.reaching.reach()).map_err(misuse)?;
    let id = book.grant(&grant).await?;
    eprintln!("granted; every server knows within a second:");
    output::line(id.as_str())?;
    Ok(ExitCode::SUCCESS)
}

async fn list(setting: &Setting, book: &Book) -> anyhow::Result<ExitCode> {
    let grants = book.list().await?;
    output::write(&write(setting.format, &LISTED, &[to_batch(&LISTED, &grants)?])?)?;
    if grants.is_empty() {
        eprintln!("no grants; `credwatch grants --help` shows how to make one");
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(book: &Book, id: &GrantId) -> anyhow::Result<ExitCode> {
    if !book.withdraw(id).await? {
        bail!("no grant {:?} stands; `credwatch grants list` shows all", id.as_str());
    }
    eprintln!("grant {id} grants nothing any more; every server knows within a second");
    Ok(ExitCode::SUCCESS)
}

static LISTED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let orgs = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        text("grant_id"),
        text("claim"),
        text("value"),
        text("role"),
        Field::new("orgs", orgs, true),
        Field::new("granted_time", timestamp(), true),
        text("granted_by"),
    ]))
});
