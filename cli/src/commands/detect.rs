//! `credwatch detect run|test|activate|status`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use credwatch_detectors::configuration::Since;
use credwatch_detectors::definition::Definition;
use credwatch_detectors::stories::run_file;
use credwatch_detectors::{Ask, Engine, RunKind, Tick, activate, outcomes};
use credwatch_query::format::{OutputFormat, write};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::COVERAGE;
use credwatch_schemas::rows::to_batch;
use credwatch_server::detector_status::{sees, statuses};

use crate::args::Detect;
use crate::output;
use crate::plain_text::begins;
use crate::setting::Setting;
use crate::status_text::text;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Detect) -> anyhow::Result<ExitCode> {
    match asked {
        Detect::Run { from, to, learn_until } => {
            judge(setting, Ask { from, to, learn_until, run: RunKind::History }).await
        }
        Detect::Test { files } => test(setting, &files).await,
        Detect::Activate { id, from } => activate_from(setting, &DetectorId::new(id), from).await,
        Detect::Status => status(setting).await,
    }
}

async fn judge(setting: &Setting, ask: Ask) -> anyhow::Result<ExitCode> {
    let registry = setting.registry()?;
    let mut engine = Engine::new(setting.lake_to_judge().await?, registry);
    let tick = engine.tick(&ask, now()).await?;
    for said in summary(&tick) {
        eprintln!("{said}");
    }
    Ok(if tick.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(tick: &Tick) -> Vec<String> {
    let new = tick.revisions.iter().filter(|revision| revision.revision == 1).count();
    let revised = tick.revisions.len() - new;
    let mut said = vec![format!("{new} new findings, {revised} revised; `credwatch findings list` shows them")];
    said.extend(tick.failed.iter().map(|(id, why)| format!("{id} could not be judged: {why}")));
    said
}

/// Every story of every file, told in a scratch folder; exit code 1 when one does not end as it says.
async fn test(setting: &Setting, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for file in files {
        failed |= !test_file(setting, file).await?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn test_file(setting: &Setting, file: &Path) -> anyhow::Result<bool> {
    let content = std::fs::read_to_string(file).with_context(|| format!("reading {file:?}"))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let definition = Definition::parse(&name, &content)?;
    if definition.stories.is_empty() {
        bail!("{file:?} has no stories: nothing says what the detector should do");
    }
    let registry = setting.registry()?;
    let scratch = scratch_folder()?;
    let told = run_file(&name, &content, &registry, &scratch).await;
    std::fs::remove_dir_all(&scratch).with_context(|| format!("removing {scratch:?}"))?;
    let mut is_good = true;
    for story in told? {
        is_good &= story.failures.is_empty();
        let verdict = if story.failures.is_empty() { "ok" } else { "FAILED" };
        output::line(&format!("{verdict:<6}  {}: {}", definition.id, story.name))?;
        for failure in &story.failures {
            output::line(&format!("        {failure}"))?;
        }
    }
    Ok(is_good)
}

/// A folder of this process alone.
fn scratch_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("credwatch-stories-{}-{}", std::process::id(), now().0));
    std::fs::create_dir(&folder).with_context(|| format!("creating {folder:?}"))?;
    Ok(folder)
}

async fn activate_from(setting: &Setting, id: &DetectorId, since: Since) -> anyhow::Result<ExitCode> {
    activate(&setting.lake_to_judge().await?, &setting.registry()?, id, since.from_time(), now()).await?;
    let when = begins(since.from_time());
    eprintln!("{id} holds from {when}; `credwatch detect run` judges that interval again");
    Ok(ExitCode::SUCCESS)
}

/// For people and for JSON one entry a detector, also for one that never ran; CSV is the table `coverage`.
async fn status(setting: &Setting) -> anyhow::Result<ExitCode> {
    let snapshot = setting.lake_to_read().await?.snapshot().await?;
    let mut rows = outcomes(&snapshot).await?;
    let statuses = statuses(&setting.registry()?, &rows, &setting.scope);
    match setting.format {
        OutputFormat::Table => output::write(text(&statuses).as_bytes())?,
        OutputFormat::Json => output::line(&serde_json::to_string(&statuses)?)?,
        OutputFormat::Ndjson => {
            for status in &statuses {
                output::line(&serde_json::to_string(status)?)?;
            }
        }
        OutputFormat::Csv => {
            rows.retain(|row| sees(&setting.scope, row.org_id.as_ref()));
            output::write(&write(OutputFormat::Csv, &COVERAGE, &[to_batch(&COVERAGE, &rows)?])?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_that_could_not_run_is_said() {
        let tick = Tick { failed: vec![(DetectorId::new("d"), "no column x".into())], ..Tick::default() };
        assert_eq!(summary(&tick)[1], "d could not be judged: no column x");
    }
}
