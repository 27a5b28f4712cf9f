//! `credwatch report ...`: the report of a week, on stdout or whole into a file; checklists; inventories.

mod checks;
mod paper;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use credwatch_query::{Limits, Session};
use credwatch_schemas::checklist::Framework;
use credwatch_schemas::weekly_report::WeeklyReport;
use credwatch_server::reports::{Format as Shape, Weekly, limits, rendered};

use crate::args::{self, Format, Report};
use crate::output;
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Report, format: Format) -> anyhow::Result<ExitCode> {
    match asked {
        Report::Weekly(asked) => weekly(setting, &asked, format).await,
        Report::Readiness(between) => checks::checklist(setting, Framework::Readiness, &between, format).await,
        Report::Compliance { framework, between } => checks::checklist(setting, framework, &between, format).await,
        Report::Credentials => checks::credentials(setting).await,
        Report::Offboarding { user } => checks::offboarding(setting, &user).await,
    }
}

async fn weekly(setting: &Setting, asked: &args::WeeklyReport, format: Format) -> anyhow::Result<ExitCode> {
    let report = made(setting, asked).await?;
    let bytes = match format {
        Format::Table | Format::Md => rendered(&report, Shape::Md).into_bytes(),
        Format::Json | Format::Ndjson => rendered(&report, Shape::Json).into_bytes(),
        Format::Csv => rendered(&report, Shape::Csv).into_bytes(),
        Format::Html => rendered(&report, Shape::Html).into_bytes(),
        Format::Pdf => paper::printed(&rendered(&report, Shape::Html)).await?,
    };
    match &asked.out {
        Some(file) => whole(file, &bytes)?,
        None => output::write(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn made(setting: &Setting, asked: &args::WeeklyReport) -> anyhow::Result<WeeklyReport> {
    if let Some(server) = setting.server()? {
        let week = asked.week.map(|week| ("week", week.to_string()));
        return server.get(&["v1", "reports", "weekly"], &week.into_iter().collect::<Vec<_>>()).await;
    }
    let lake = setting.lake_to_judge().await?;
    let snapshot = lake.snapshot().await?;
    let session = Session::open(&snapshot, setting.scope.clone(), limits(Limits::default()))?;
    let weekly = Weekly { lake: &lake, snapshot: &snapshot, session: &session };
    Ok(weekly.make(asked.week, now()).await?)
}

/// A report that is half there would be taken for one. What a link leads to is replaced and not the link; a pipe or a device
/// takes what is written to it.
fn whole(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("writing {}", file.display());
    let (file, permissions) = match std::fs::metadata(file) {
        Ok(there) if !there.is_file() => return std::fs::write(file, bytes).with_context(writing),
        Ok(there) => (std::fs::canonicalize(file).with_context(writing)?, there.permissions()),
        // As any file that the user makes: the umask takes away what it takes.
        Err(_) => (file.to_owned(), PermissionsExt::from_mode(0o666)),
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().permissions(permissions).tempfile_in(folder).with_context(writing)?;
    beside.write_all(bytes).with_context(writing)?;
    beside.as_file().sync_all().with_context(writing)?;
    beside.persist(&file).with_context(writing)?;
    Ok(())
}
