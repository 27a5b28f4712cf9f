//! `credwatch sql`: one statement from the command line or a file, or one after the other from stdin.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use credwatch_lake::Lake;
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Books, Limits, Params, Session};
use credwatch_server::answer::{Answer, Streamed};
use futures::TryStreamExt;

use crate::args::Sql;
use crate::error_chain::story;
use crate::output;
use crate::remote::Server;
use crate::setting::Setting;
use crate::statements::Statements;

pub(crate) async fn run(setting: &Setting, asked: Sql) -> anyhow::Result<ExitCode> {
    let server = setting.server()?;
    let given = match (asked.command, asked.file) {
        (Some(statement), _) => Some(statement),
        (None, Some(file)) => Some(std::fs::read_to_string(&file).with_context(|| format!("reading {file:?}"))?),
        (None, None) => None,
    };
    match (given, server) {
        (Some(statement), Some(server)) => answer_of(setting, &server, &statement).await?,
        (Some(statement), None) => answer(setting, &setting.lake_to_read().await?, &statement).await?,
        (None, None) => return converse(setting, &setting.lake_to_read().await?).await,
        (None, Some(_)) => bail!("a conversation reads the lake's files: give --server a statement with -c or -f"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a server run a statement, and writes its answer as it comes.
async fn answer_of(setting: &Setting, server: &Server, statement: &str) -> anyhow::Result<()> {
    let shape = match setting.format {
        OutputFormat::Table => {
            let (schema, rows) = server.columns(statement, &[]).await?;
            return Ok(output::write(&write(OutputFormat::Table, &schema, &rows)?)?);
        }
        OutputFormat::Csv => "csv",
        OutputFormat::Json => "json",
        OutputFormat::Ndjson => "ndjson",
    };
    let mut pieces = server.sql(statement, &[], shape).await?;
    while let Some(piece) = pieces.chunk().await.context("the answer was broken off")? {
        output::write(&piece)?;
    }
    Ok(())
}

/// Runs a statement over the newest snapshot and writes its answer.
pub(crate) async fn answer(setting: &Setting, lake: &Lake, statement: &str) -> anyhow::Result<()> {
    let snapshot = lake.snapshot().await?;
    // Whoever reads the lake's files directly is its operator, so the books lie open.
    let session = Session::open_with(&snapshot, setting.scope.clone(), Books::Open, limits(setting.format))?;
    let mut rows = session.run(statement, Params::None).await?;
    let Some(shape) = Streamed::of(setting.format) else {
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

/// A person corrects a statement that failed and goes on; a script must not.
async fn converse(setting: &Setting, lake: &Lake) -> anyhow::Result<ExitCode> {
    let is_person = std::io::stdin().is_terminal();
    let mut statements = Statements::default();
    let mut lines = std::io::stdin().lock().lines();
    loop {
        if is_person {
            prompt(if statements.is_empty() { "credwatch> " } else { "        -> " })?;
        }
        let line = lines.next().transpose().context("reading statements from stdin")?;
        let (ready, is_over) = match &line {
            Some(line) if line.trim() == "\\q" => (Vec::new(), true),
            Some(line) => (statements.line(line), false),
            None => (statements.end().into_iter().collect(), true),
        };
        for statement in ready {
            match answer(setting, lake, &statement).await {
                Err(error) if is_person && !output::is_broken_pipe(&error) => eprintln!("{}", story(&error)),
                other => other?,
            }
        }
        if is_over {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn prompt(text: &str) -> std::io::Result<()> {
    let mut talk = std::io::stderr().lock();
    talk.write_all(text.as_bytes())?;
    talk.flush()
}
