//! A local folder as an object store that keeps its word: when a put returns, the file and its folder entry survive a
//! power cut, and a create-only put never overwrites.
//!
//! The plain local store of `object_store` syncs nothing, so a log entry could come back naming an empty data file.
//! Here each put writes a temporary file, syncs it, links it (create-only) or renames it (overwrite) into place and
//! syncs the folder; new folders are synced into their parents first. Needs a file system with hard links.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// Leftovers of a killed writer carry this in their name, so that clean-up finds them.
pub(crate) const TEMPORARY: &str = ".unsynced-";

const STORE: &str = "SyncedFolder";

#[derive(Debug, Clone)]
pub(crate) struct SyncedFolder {
    inner: Arc<LocalFileSystem>,
}

impl SyncedFolder {
    /// Paths are those of the whole file system, without the leading slash.
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()) }
    }
}

impl fmt::Display for SyncedFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(STORE)
    }
}

#[async_trait]
impl ObjectStore for SyncedFolder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let placing = match options.mode {
            PutMode::Create => Placing::CreateOnly,
            PutMode::Overwrite => Placing::Overwrite,
            PutMode::Update(_) => return Err(unsupported("conditional update")),
        };
        let target = self.inner.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || write_synced(&target, &payload, placing)).await?;
        written.map_err(|error| named(location, error))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(BufferedUpload { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.inner.get_opts(from, GetOptions::default()).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.put_opts(to, bytes.into(), PutOptions { mode, ..PutOptions::default() }).await?;
        Ok(())
    }
}

/// Checkpoints are written in parts; they are small enough to be gathered and put as one.
#[derive(Debug)]
struct BufferedUpload {
    store: SyncedFolder,
    location: Path,
    parts: Vec<bytes::Bytes>,
}

#[async_trait]
impl MultipartUpload for BufferedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        futures::future::ready(Ok(())).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = PutPayload::from_iter(self.parts.drain(..));
        self.store.put_opts(&self.location, payload, PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placing {
    CreateOnly,
    Overwrite,
}

fn write_synced(target: &FilePath, payload: &PutPayload, placing: Placing) -> io::Result<()> {
    let folder = target.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    create_folder(folder)?;
    let temporary = temporary_name(target);
    let placed = write_and_place(&temporary, target, payload, placing);
    if placed.is_err() || placing == Placing::CreateOnly {
        remove_quietly(&temporary);
    }
    placed?;
    sync_folder(folder)
}

fn write_and_place(temporary: &FilePath, target: &FilePath, payload: &PutPayload, placing: Placing) -> io::Result<()> {
    let mut file = File::create_new(temporary)?;
    for chunk in payload.iter() {
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    match placing {
        Placing::CreateOnly => fs::hard_link(temporary, target),
        Placing::Overwrite => fs::rename(temporary, target),
    }
}

fn temporary_name(target: &FilePath) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!("{TEMPORARY}{}", uuid::Uuid::new_v4().simple()));
    PathBuf::from(name)
}

/// What is left behind here is removed by clean-up later, so a failure costs nothing but its bytes.
fn remove_quietly(temporary: &FilePath) {
    if let Err(error) = fs::remove_file(temporary) {
        tracing::debug!(file = %temporary.display(), %error, "a temporary file stays until clean-up");
    }
}

/// Creates a folder and its parents; each new one is synced into its parent.
pub(crate) fn create_folder(folder: &FilePath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().ok_or_else(|| io::Error::other("the root folder is missing"))?;
    create_folder(parent)?;
    match fs::create_dir(folder) {
        // Another writer may be quicker; its entry must be durable for us too, so we sync as well.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => sync_folder(parent),
    }
}

pub(crate) fn sync_folder(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn named(location: &Path, error: io::Error) -> Error {
    let (path, source) = (location.to_string(), Box::new(error));
    match source.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        io::ErrorKind::NotFound => Error::NotFound { path, source },
        _ => Error::Generic { store: STORE, source },
    }
}

fn unsupported(what: &str) -> Error {
    Error::NotSupported { source: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;

    fn at(folder: &tempfile::TempDir, name: &str) -> Path {
        Path::from_absolute_path(folder.path().join(name)).unwrap()
    }

    #[tokio::test]
    async fn a_create_only_put_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedFolder::new();
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let place = at(&folder, "a/b/c.json");
        store.put_opts(&place, "one".into(), create.clone()).await.unwrap();
        let second = store.put_opts(&place, "two".into(), create).await;
        assert!(matches!(second, Err(Error::AlreadyExists { .. })));
        assert_eq!(store.get(&place).await.unwrap().bytes().await.unwrap(), "one");
    }

    #[tokio::test]
    async fn an_overwrite_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedFolder::new();
        store.put(&at(&folder, "x"), "one".into()).await.unwrap();
        store.put(&at(&folder, "x"), "two".into()).await.unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x"]);
        assert_eq!(fs::read_to_string(folder.path().join("x")).unwrap(), "two");
    }

    #[tokio::test]
    async fn a_put_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let inside_a_file = at(&folder, "file/x");
        assert!(SyncedFolder::new().put(&inside_a_file, "one".into()).await.is_err());
    }

    #[tokio::test]
    async fn parts_become_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedFolder::new();
        let place = at(&folder, "parts");
        let mut upload = store.put_multipart(&place).await.unwrap();
        upload.put_part("ab".into()).await.unwrap();
        upload.put_part("cd".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.get(&place).await.unwrap().bytes().await.unwrap(), "abcd");
    }
}
