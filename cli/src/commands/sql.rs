//! `credwatch sql`: one statement from the command line or a file, or a conversation.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use credwatch_lake::Lake;
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Books, Given, Limits, Params, Session};
use credwatch_server::answer::{Answer, Streamed};
use futures::TryStreamExt;

use crate::args::Sql;
use crate::conversation::converse;
use crate::output;
use crate::remote::Server;
use crate::setting::Setting;

pub(crate) async fn run(setting: &Setting, asked: Sql) -> anyhow::Result<ExitCode> {
    let server = setting.server()?;
    let given = match (asked.command, asked.file) {
        (Some(statement), _) => Some(statement),
        (None, Some(file)) => Some(std::fs::read_to_string(&file).with_context(|| format!("reading {file:?}"))?),
        (None, None) => None,
    };
    match (given, server) {
        (Some(statement), Some(server)) => answer_of(setting, &server, &statement, &Given::None).await?,
        (Some(statement), None) => {
            answer(setting, &setting.lake_to_read().await?, setting.format, &statement, Params::None).await?;
        }
        (None, None) => return converse(setting, &setting.lake_to_read().await?).await,
        (None, Some(_)) => bail!("a conversation reads the lake's files: give --server a statement with -c or -f"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a server run a statement, and writes its answer as it comes.
pub(crate) async fn answer_of(
    setting: &Setting,
    server: &Server,
    statement: &str,
    params: &Given,
) -> anyhow::Result<()> {
    let shape = match setting.format {
        OutputFormat::Table => {
            let (schema, rows) = server.columns(statement, params).await?;
            return Ok(output::write(&write(OutputFormat::Table, &schema, &rows)?)?);
        }
        OutputFormat::Csv => "csv",
        OutputFormat::Json => "json",
        OutputFormat::Ndjson => "ndjson",
    };
    let mut pieces = server.sql(statement, params, shape).await?;
    while let Some(piece) = pieces.chunk().await.context("the answer was broken off")? {
        output::write(&piece)?;
    }
    Ok(())
}

/// Runs a statement over the newest snapshot and writes its answer.
pub(crate) async fn answer(
    setting: &Setting,
    lake: &Lake,
    format: OutputFormat,
    statement: &str,
    params: Params,
) -> anyhow::Result<()> {
    let snapshot = lake.snapshot().await?;
    // Whoever reads the lake's files directly is its operator, so the books lie open.
    let session = Session::open_with(&snapshot, setting.scope.clone(), Books::Open, limits(format))?;
    let mut rows = session.run(statement, params).await?;
    let Some(shape) = Streamed::of(format) else {
        let schema = rows.schema();
        output::write(&write(OutputFormat::Table, &schema, &rows.collect().await?)?)?;
        return Ok(());
    };
    let mut answer = Answer::new(shape, rows.schema())?;
    while let Some(batch) = rows.try_next().await? {
        output::write(&answer.batch(&batch)?)?;
    }
    output::write(&answer.end()?)?;
    Ok(())
}

/// A table must fit into memory and onto a screen; what is streamed may be as long as the lake.
fn limits(format: OutputFormat) -> Limits {
    match format {
        OutputFormat::Table => Limits::default(),
        OutputFormat::Csv | OutputFormat::Json | OutputFormat::Ndjson => {
            Limits { time: Duration::from_secs(3_600), rows: usize::MAX, bytes: usize::MAX, ..Limits::default() }
        }
    }
}
