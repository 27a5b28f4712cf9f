//! `credwatch import`: files into the lake, one after the other. A file that cannot be read does not stop the next.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use credwatch_ingest::import::{ImportError, Imported, Importer, Progress};
use credwatch_ingest::{AdapterChoice, Binding, Cut, Decoder};
use credwatch_lake::Lake;
use credwatch_query::format::{OutputFormat, write};
use credwatch_query::{Limits, Params, Session, TenantScope};
use credwatch_schemas::rows::to_batch;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{Adapter, Import};
use crate::error_chain::story;
use crate::output;
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Import) -> anyhow::Result<ExitCode> {
    let binding = binding(setting, &asked)?;
    let (lake, key) = setting.lake_to_fill().await?;
    let decoder = Decoder::new(key, credwatch_ingest::Limits::default());
    let importer = Importer { lake: &lake, decoder: &decoder, binding: &binding, cut: Cut::default() };
    let (mut lines, mut topics, mut has_failed) = (Vec::new(), BTreeSet::new(), false);
    for file in &asked.files {
        match with_bar(&importer, file).await {
            Ok(imported) => {
                lines.push(Line::of(file, &imported));
                topics.insert(imported.topic);
            }
            Err(error) => {
                has_failed = true;
                eprintln!("credwatch: {}", story(&error.into()));
            }
        }
    }
    write_lines(setting.format, &lines)?;
    if let Some(most) = asked.max_rejects {
        let rejects = rejects_of(&lake, &topics).await?;
        if rejects > most {
            eprintln!(
                "credwatch: {rejects} rejects are more than --max-rejects {most}; `credwatch rejects list` says why"
            );
            has_failed = true;
        }
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Rejects of the files, whichever import brought them: what is wrong with a file is not mended by importing it again.
async fn rejects_of(lake: &Lake, topics: &BTreeSet<String>) -> anyhow::Result<u64> {
    let session = Session::open(&lake.snapshot().await?, TenantScope::Operator, Limits::default())?;
    let mut rejects = 0;
    for topic in topics {
        let topic = Params::Positional(vec![topic.as_str().into()]);
        let counted =
            session.run("SELECT count(*) FROM rejects WHERE kafka_topic = $1", topic).await?.collect().await?;
        rejects += counted.first().map_or(0, |row| row.column(0).as_primitive::<Int64Type>().value(0));
    }
    Ok(u64::try_from(rejects)?)
}

/// The named binding or an empty one; an adapter that is named wins.
fn binding(setting: &Setting, asked: &Import) -> anyhow::Result<Binding> {
    let mut binding = match &asked.binding {
        Some(name) => setting.configuration.binding(name)?.clone(),
        None => Binding::default(),
    };
    match asked.adapter {
        Adapter::Auto => {}
        Adapter::EventV1 => binding.adapter = AdapterChoice::EventV1,
        Adapter::Cloudtrail => binding.adapter = AdapterChoice::CloudTrail,
    }
    Ok(binding)
}

/// The bar is drawn on a terminal only.
async fn with_bar(importer: &Importer<'_>, file: &Path) -> Result<Imported, ImportError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let show = |progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_read);
    };
    let imported = importer.import(file, now(), now, show).await;
    bar.finish_and_clear();
    imported
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    file: String,
    /// Events that are new in the lake.
    rows: u64,
    rejects: u64,
    /// Events that came by another way before.
    duplicates: u64,
    /// Records that an earlier import of the same file brought.
    already_there: u64,
}

static LINES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let number = |name| Field::new(name, DataType::Int64, false);
    let counts = [number("rows"), number("rejects"), number("duplicates"), number("already_there")];
    let mut fields = vec![Field::new("file", DataType::Utf8, false)];
    fields.extend(counts);
    Arc::new(Schema::new(fields))
});

impl Line {
    fn of(file: &Path, imported: &Imported) -> Self {
        Self {
            file: file.display().to_string(),
            rows: imported.accepted as u64,
            rejects: imported.rejected as u64,
            duplicates: imported.duplicates as u64,
            already_there: imported.records - imported.new_records,
        }
    }

    fn text(&self) -> String {
        let Self { file, rows, rejects, duplicates, already_there } = self;
        format!(
            "{file}: {rows} rows, {rejects} rejects, {duplicates} duplicates, {already_there} records already there\n"
        )
    }
}

fn write_lines(format: OutputFormat, lines: &[Line]) -> anyhow::Result<()> {
    if format == OutputFormat::Table {
        output::write(lines.iter().map(Line::text).collect::<String>().as_bytes())?;
        return Ok(());
    }
    output::write(&write(format, &LINES, &[to_batch(&LINES, lines)?])?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_line_that_accounts_for_every_record() {
        let imported =
            Imported { records: 10, new_records: 8, accepted: 6, rejected: 1, duplicates: 1, topic: String::new() };
        let line = Line::of(Path::new("a.ndjson.gz"), &imported);
        assert_eq!(line.text(), "a.ndjson.gz: 6 rows, 1 rejects, 1 duplicates, 2 records already there\n");
    }

    #[test]
    fn the_line_has_the_columns_of_its_table() {
        let line = Line::of(Path::new("a"), &Imported::default());
        assert_eq!(to_batch(&LINES, &[line]).unwrap().num_rows(), 1);
    }
}
