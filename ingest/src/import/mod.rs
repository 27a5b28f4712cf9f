//! Files through the same decoder and the same commit as Kafka.
//!
//! An import is the topic `import:<hash of the file's bytes and of what its binding decides>` with one partition; the
//! offset is the number of the line, or of the value where the file is one JSON document. So it resumes after a kill
//! where the table stands, and the same file a second time changes nothing. It has no clock.
//!
//! Memory is bounded by the cut of the batches and the limit of one record, whatever the size of the file.

mod content;
mod layout;
mod records;

use std::io;
use std::path::{Path, PathBuf};

use credwatch_lake::{Appended, Lake, LakeError};
use credwatch_schemas::time::Micros;
use thiserror::Error;

use crate::accumulate::{Accumulator, ClockRule, Cut};
use crate::binding::Binding;
use crate::decode::Decoder;
use crate::import::content::Content;
use crate::import::records::{Found, Records};
use crate::raw_record::RawRecord;
use crate::redact::key::KeyError;

/// Records between two looks at the clock, at the batch and at what else the runtime has to do.
const RECORDS_AT_ONCE: u32 = 512;
/// How often another process may overtake this one on the same file before it gives up.
const MOST_RESTARTS: u32 = 60;

/// Brings files into a lake.
#[derive(Debug, Clone, Copy)]
pub struct Importer<'a> {
    pub lake: &'a Lake,
    pub decoder: &'a Decoder,
    pub binding: &'a Binding,
    pub cut: Cut,
}

/// How far an import is, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file as it lies there, compressed or not.
    pub bytes_read: u64,
    pub bytes_total: u64,
    /// Records of the file that were read, with those that the table had.
    pub records_read: u64,
    /// Records that this import committed.
    pub new_records: u64,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// The topic under which its rows stand.
    pub topic: String,
    /// Records in the file.
    pub records: u64,
    /// Records of them that this import committed; the others were there.
    pub new_records: u64,
    /// Rows of the new records. A record that is a list has many.
    pub accepted: usize,
    pub rejected: usize,
    pub duplicates: usize,
}

#[derive(Debug, Error)]
pub enum ImportError {
    #[error("import \"{path}\": it cannot be opened")]
    Open { path: PathBuf, source: io::Error },
    #[error("import \"{0}\": it is not a file")]
    NotAFile(PathBuf),
    #[error("import \"{0}\": there is nothing in it")]
    Empty(PathBuf),
    #[error(
        "import \"{path}\": it breaks off or cannot be read after {records} records, which are in the lake; import the whole file again when it is repaired"
    )]
    Broken { path: PathBuf, records: u64, source: io::Error },
    #[error("import \"{0}\": another process imports the same file and was faster {MOST_RESTARTS} times in a row")]
    Overtaken(PathBuf),
    #[error("import \"{0}\": the program stops")]
    Stopped(PathBuf),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("import into the lake")]
    Lake(#[from] LakeError),
}

/// How one reading of the file ended.
enum Ended {
    /// At its end.
    Whole,
    /// At bytes that cannot be read; what came before is committed.
    Broken(io::Error),
    /// The table stands elsewhere: somebody else imports the same file.
    Overtaken,
}

impl Imported {
    /// Whether everything was there already.
    pub fn changed_nothing(&self) -> bool {
        self.new_records == 0
    }
}

impl Importer<'_> {
    /// Imports one file. `began` is when the import began, which counts as the arrival of its records; `now` is the
    /// wall clock. After an error, what was committed stays, and the same import again goes on from there.
    pub async fn import(
        &self,
        file: &Path,
        began: Micros,
        now: impl Fn() -> Micros,
        mut progress: impl FnMut(Progress),
    ) -> Result<Imported, ImportError> {
        let content = self.content(file).await?;
        self.decoder.key().claim(self.lake).await?;
        let mut run = Run::new(self, &content, began);
        for _ in 0..MOST_RESTARTS {
            match run.read_once(&now, &mut progress).await? {
                Ended::Whole if run.imported.records == 0 => return Err(ImportError::Empty(file.to_owned())),
                Ended::Whole => return Ok(run.imported),
                Ended::Broken(source) => {
                    return Err(ImportError::Broken { path: file.to_owned(), records: run.imported.records, source });
                }
                Ended::Overtaken => {}
            }
        }
        Err(ImportError::Overtaken(file.to_owned()))
    }

    /// Hashing a large file takes a while, so it happens away from the threads that serve others.
    async fn content(&self, file: &Path) -> Result<Content, ImportError> {
        let (path, decisions) = (file.to_owned(), self.binding.decisions());
        let opened = tokio::task::spawn_blocking(move || Content::open(&path, &decisions)).await;
        opened.map_err(|_| ImportError::Stopped(file.to_owned()))?
    }
}

/// One import on its way.
struct Run<'a> {
    importer: &'a Importer<'a>,
    content: &'a Content,
    began: Micros,
    accumulator: Accumulator,
    /// Records among the gathered rows.
    gathered: u64,
    imported: Imported,
}

impl<'a> Run<'a> {
    fn new(importer: &'a Importer<'a>, content: &'a Content, began: Micros) -> Self {
        let imported = Imported { topic: content.partition.topic.clone(), ..Imported::default() };
        Self { importer, content, began, accumulator: Accumulator::new(importer.cut), gathered: 0, imported }
    }

    /// Reads the file from its beginning and commits what the table does not have.
    async fn read_once(
        &mut self,
        now: &impl Fn() -> Micros,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Ended, ImportError> {
        self.begin().await?;
        let mut records = Records::new(self.content.reader()?, self.importer.decoder.limits().record_bytes);
        loop {
            let read_at = now();
            let read = self.read_some(&mut records, read_at);
            let is_over = !matches!(read, Ok(More::Yes));
            let is_to_commit = is_over && self.imported.records > 0 || self.accumulator.is_due(read_at);
            if is_to_commit && self.commit(now()).await? == Committed::Overtaken {
                return Ok(Ended::Overtaken);
            }
            progress(self.progress());
            match read {
                Ok(More::Yes) => tokio::task::yield_now().await,
                Ok(More::No) => return Ok(Ended::Whole),
                Err(error) => return Ok(Ended::Broken(error)),
            }
        }
    }

    /// Starts where the table stands.
    async fn begin(&mut self) -> Result<(), ImportError> {
        let partition = &self.content.partition;
        let base = self.importer.lake.snapshot().await?.positions().get(partition).copied();
        self.accumulator.begin(partition, base, base.unwrap_or(0), ClockRule::None);
        self.gathered = 0;
        self.imported.records = 0;
        Ok(())
    }

    fn read_some(&mut self, records: &mut Records, now: Micros) -> io::Result<More> {
        for _ in 0..RECORDS_AT_ONCE {
            let Some(found) = records.next()? else { return Ok(More::No) };
            self.gather(&found, now);
            if self.accumulator.is_due(now) {
                break;
            }
        }
        Ok(More::Yes)
    }

    /// Passes over what the table has. A blank line is progress, and no record.
    fn gather(&mut self, found: &Found<'_>, now: Micros) {
        let partition = &self.content.partition;
        let is_new = self.accumulator.end(partition).is_some_and(|end| end <= found.number);
        if !found.is_blank() {
            self.imported.records += 1;
            self.gathered += u64::from(is_new);
            let (payload, arrival, offset) = (Some(found.bytes), self.began, found.number);
            let record = RawRecord { payload, headers: &[], arrival, now, partition, offset };
            self.accumulator.push(self.importer.decoder, self.importer.binding, &record);
        }
        self.accumulator.skip_to(partition, found.number.saturating_add(1));
    }

    async fn commit(&mut self, now: Micros) -> Result<Committed, ImportError> {
        if self.accumulator.is_empty() {
            return Ok(Committed::Done);
        }
        let Some(batch) = self.accumulator.take() else { return Ok(Committed::Overtaken) };
        match self.importer.lake.append(batch, now).await? {
            Appended::Committed { accepted, rejected, duplicates, .. } => {
                self.imported.new_records += std::mem::take(&mut self.gathered);
                self.imported.accepted += accepted;
                self.imported.rejected += rejected;
                self.imported.duplicates += duplicates;
                Ok(Committed::Done)
            }
            Appended::AlreadyThere => {
                self.gathered = 0;
                Ok(Committed::Done)
            }
            Appended::Stale(_) => Ok(Committed::Overtaken),
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            bytes_read: self.content.bytes_read(),
            bytes_total: self.content.bytes_total(),
            records_read: self.imported.records,
            new_records: self.imported.new_records,
        }
    }
}

/// Whether the file goes on.
enum More {
    Yes,
    No,
}

#[derive(PartialEq, Eq)]
enum Committed {
    Done,
    Overtaken,
}
