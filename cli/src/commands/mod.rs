//! One file a command: it reads what was asked, calls the rooms below, and says what came of it.

use std::process::ExitCode;

use crate::args::{Arguments, Command, Format, Rejects, Report, misuse};
use crate::output;
use crate::setting::Setting;

mod check;
mod demo;
mod detect;
mod export;
mod findings;
mod grants;
mod import;
mod ingest;
mod keys;
mod notify;
mod pull;
mod query;
mod rejects;
mod report;
mod serve;
mod settings;
mod simulate;
pub(crate) mod sql;
mod who_used;

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let setting = Setting::of(&arguments.common)?;
    if !goes_through_a_server(&arguments.command) {
        setting.without_server()?;
    }
    let format = arguments.common.format;
    if output::of_rows(format).is_none() && !is_page(&arguments.command, format) {
        return Err(misuse(
            "only reports are written as md, html or pdf: the one of a week as any of them, checklists as md",
        )
        .into());
    }
    match arguments.command {
        Command::Report(asked) => report::run(&setting, asked, format).await,
        Command::Serve(asked) => serve::run(&setting, asked).await,
        Command::Ingest(asked) => ingest::run(&setting, asked).await,
        Command::Demo(asked) => demo::run(&setting, asked).await,
        Command::Simulate(asked) => simulate::run(&setting, asked).await,
        Command::Import(asked) => import::run(&setting, asked).await,
        Command::Sql(asked) => sql::run(&setting, asked).await,
        Command::Findings(asked) => findings::run(&setting, asked).await,
        Command::Detect(asked) => detect::run(&setting, asked).await,
        Command::Settings(asked) => settings::run(&setting, asked).await,
        Command::WhoUsed { id } => who_used::run(&setting, &id).await,
        Command::Export(asked) => export::run(&setting, asked).await,
        Command::Notify(asked) => notify::run(&setting, asked, format).await,
        Command::Keys(asked) => keys::run(&setting, asked).await,
        Command::Grants(asked) => grants::run(&setting, asked).await,
        Command::Query(asked) => query::run(&setting, asked).await,
        Command::Rejects(Rejects::List { limit }) => rejects::list(&setting, limit).await,
        Command::Pull(asked) => pull::run(&setting, asked).await,
        Command::Check => check::run(&setting).await,
    }
}

fn is_page(command: &Command, format: Format) -> bool {
    match command {
        Command::Report(Report::Weekly(_)) => true,
        Command::Report(Report::Readiness(_) | Report::Compliance { .. }) => format == Format::Md,
        _ => false,
    }
}

/// Other commands work on the lake's files or on Kafka.
fn goes_through_a_server(command: &Command) -> bool {
    use Command::*;
    matches!(command, Findings(_) | Sql(_) | Query(_) | Report(_) | WhoUsed { .. } | Keys(_) | Grants(_) | Pull(_))
}
