//! A folder: a file for each batch, which appears whole. Its name is made of the sink's and of the place of its rows,
//! so one that is written again takes its own place and nobody else's.

use std::path::{Path, PathBuf};

use credwatch_export::Vocabulary;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use super::Batch;
use crate::delivering::Undelivered;

#[derive(Debug)]
pub(in crate::push) struct Folder {
    path: PathBuf,
    /// Of its files.
    extension: &'static str,
}

impl Folder {
    pub(in crate::push) fn new(path: &Path, vocabulary: Vocabulary) -> Self {
        Self { path: path.to_owned(), extension: if vocabulary.is_json() { "ndjson" } else { "log" } }
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        self.write(batch).await.map_err(|error| Undelivered::from(format!("writing to {:?}: {error}", self.path)))
    }

    async fn write(&self, batch: &Batch) -> std::io::Result<()> {
        fs::create_dir_all(&self.path).await?;
        let name = format!("{}.{}.{:020}-{:020}", batch.name, batch.stream.as_str(), batch.from, batch.to);
        let (half, whole) = (self.path.join(format!(".{name}")), self.path.join(format!("{name}.{}", self.extension)));
        let mut rows = batch.rows.join(&b'\n');
        rows.push(b'\n');
        let mut file = fs::File::create(&half).await?;
        file.write_all(&rows).await?;
        // Without it, an error of the last write is kept for the next one, which never comes.
        file.flush().await?;
        file.sync_all().await?;
        fs::rename(&half, &whole).await?;
        // The name is durable only once its folder is.
        fs::File::open(&self.path).await?.sync_all().await
    }
}
