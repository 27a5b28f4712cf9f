//! Data to stdout. A reader that goes away (`| head`) is a normal end, not a failure.

use std::io::{self, Write};

use credwatch_query::format::OutputFormat;

use crate::args::Format;

/// How rows are written; `None` for the shapes of reports.
pub(crate) fn of_rows(format: Format) -> Option<OutputFormat> {
    match format {
        Format::Table => Some(OutputFormat::Table),
        Format::Csv => Some(OutputFormat::Csv),
        Format::Json => Some(OutputFormat::Json),
        Format::Ndjson => Some(OutputFormat::Ndjson),
        Format::Md | Format::Html | Format::Pdf => None,
    }
}

/// Writes all of it; what is not a terminal is never cut.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

pub(crate) fn line(text: &str) -> io::Result<()> {
    write(format!("{text}\n").as_bytes())
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
