//! `credwatch report weekly`: the report of a week, on stdout or whole into a file.

mod paper;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use credwatch_query::{Limits, Session};
use credwatch_schemas::weekly_report::WeeklyReport;
use credwatch_server::reports::{Format as Shape, Weekly, rendered};

use crate::args::{self, Format};
use crate::output;
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: &args::WeeklyReport, format: Format) -> anyhow::Result<ExitCode> {
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
    let (lake, registry) = (setting.lake_to_judge().await?, setting.registry()?);
    let snapshot = lake.snapshot().await?;
    let session = Session::open(&snapshot, setting.scope.clone(), Limits::default())?;
    let weekly = Weekly { lake: &lake, registry: &registry, snapshot: &snapshot, session: &session };
    Ok(weekly.make(asked.week, now()).await?)
}

/// As any file that the user makes: the umask takes away what it takes.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// A report that is half there would be taken for one.
fn whole(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writing = || format!("writing {}", file.display());
    let mut beside = tempfile::Builder::new().permissions(readable()).tempfile_in(folder).with_context(writing)?;
    std::io::Write::write_all(&mut beside, bytes).with_context(writing)?;
    beside.as_file().sync_all().with_context(writing)?;
    beside.persist(file).with_context(writing)?;
    Ok(())
}
