//! Checklists and inventories: from the lake's files, or from a server.

use std::process::ExitCode;

use credwatch_export::report::{checklist_csv, checklist_markdown};
use credwatch_query::format::write;
use credwatch_query::{Given, Limits, Params, Session};
use credwatch_schemas::checklist::{Checklist, Framework};
use credwatch_server::reports::checks::{self, CREDENTIALS, OFFBOARDING};
use serde_json::json;

use crate::args::{Between, Format};
use crate::output;
use crate::plain_text::one_line;
use crate::setting::Setting;

pub(super) async fn checklist(
    setting: &Setting,
    framework: Framework,
    between: &Between,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let made = made(setting, framework, between).await?;
    let text = match format {
        Format::Json | Format::Ndjson => json!(made).to_string() + "\n",
        Format::Csv => checklist_csv(&made),
        Format::Table | Format::Md | Format::Html | Format::Pdf => checklist_markdown(&made),
    };
    output::write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

async fn made(setting: &Setting, framework: Framework, between: &Between) -> anyhow::Result<Checklist> {
    if let Some(server) = setting.server()? {
        let times = [("from", between.from), ("to", between.to)];
        let mut query: Vec<(&str, String)> =
            times.into_iter().filter_map(|(name, time)| Some((name, time?.to_string()))).collect();
        if framework == Framework::Readiness {
            return server.get(&["v1", "reports", "readiness"], &query).await;
        }
        query.push(("framework", framework.to_string()));
        return server.get(&["v1", "reports", "compliance"], &query).await;
    }
    let session = session(setting).await?;
    Ok(checks::checklist(&session, framework, between.from, between.to).await?)
}

async fn session(setting: &Setting) -> anyhow::Result<Session> {
    let snapshot = setting.lake_to_read().await?.snapshot().await?;
    Ok(Session::open(&snapshot, setting.scope.clone(), Limits::default())?)
}

pub(super) async fn credentials(setting: &Setting) -> anyhow::Result<ExitCode> {
    rows(setting, CREDENTIALS, None, "no event names a connection or a credential").await
}

pub(super) async fn offboarding(setting: &Setting, user: &str) -> anyhow::Result<ExitCode> {
    let nobody =
        one_line(&format!("no event names {user:?} as the user or owner of a connection: nothing of theirs is seen"));
    rows(setting, OFFBOARDING, Some(user), &nobody).await
}

async fn rows(setting: &Setting, statement: &str, value: Option<&str>, nothing: &str) -> anyhow::Result<ExitCode> {
    let rows = match setting.server()? {
        Some(server) => {
            let given = value.map_or(Given::None, |value| Given::Positional(vec![value.into()]));
            server.columns(statement, &given).await?.1
        }
        None => session(setting).await?.run(statement, Params::texts(value)).await?.collect().await?,
    };
    match rows.iter().find(|batch| batch.num_rows() > 0) {
        Some(first) => output::write(&write(setting.format, &first.schema(), &rows)?)?,
        None => eprintln!("{nothing}"),
    }
    Ok(ExitCode::SUCCESS)
}
