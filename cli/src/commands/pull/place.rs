//! The place in the stream, in a file of its own that is always whole: written beside, synced, and moved over the old one.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use credwatch_query::TenantScope;
use serde::{Deserialize, Serialize};

use crate::args::{Pull, Stream};
use crate::setting::Setting;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) what: What,
    pub(super) cursor: Option<String>,
    /// Length of the file up to the place; on stdout, what was written in all.
    pub(super) bytes: u64,
}

/// What is pulled: a place in one stream is none in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct What {
    stream: String,
    vocabulary: String,
    org: Option<String>,
    kinds: Vec<String>,
}

impl What {
    pub(super) fn of(asked: &Pull, setting: &Setting) -> Self {
        let org = match &setting.scope {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org.to_string()),
        };
        let mut kinds = asked.kind.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let (stream, vocabulary) = (asked.stream.as_str().to_owned(), asked.vocabulary.as_str().to_owned());
        Self { stream, vocabulary, org, kinds }
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let org = self.org.as_deref().unwrap_or("every org");
        write!(out, "{} of {org} as {}", self.stream, self.vocabulary)?;
        if self.kinds.is_empty() { Ok(()) } else { write!(out, ", only {}", self.kinds.join(" and ")) }
    }
}

impl Stream {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Findings => "findings",
        }
    }
}

/// The file of a place. One process at a time has it.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    _lock: File,
}

impl Kept {
    pub(super) fn at(path: PathBuf) -> anyhow::Result<Self> {
        let beside = with_suffix(&path, ".lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&beside);
        let lock = lock.with_context(|| format!("opening {beside:?}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("another process pulls with the state {path:?}"),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {beside:?}")),
        }
    }

    /// `None` before the first page.
    pub(super) fn read(&self) -> anyhow::Result<Option<Place>> {
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("reading the state {:?}", self.path))?,
        };
        let place = serde_json::from_slice(&text);
        place.map(Some).with_context(|| format!("reading the state {:?}, which is none", self.path))
    }

    pub(super) fn write(&self, place: &Place) -> io::Result<()> {
        let beside = with_suffix(&self.path, ".new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(place)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_folder_of(&self.path)
    }
}

/// A file that was created or moved is there after a power cut only once its folder is synced.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(cursor: &str) -> Place {
        let what = What {
            stream: "events".into(),
            vocabulary: "ocsf".into(),
            org: Some("org_a".into()),
            kinds: vec!["auth".into()],
        };
        Place { what, cursor: Some(cursor.into()), bytes: 7 }
    }

    #[test]
    fn a_place_reads_back_and_the_last_one_holds() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::at(folder.path().join("place")).unwrap();
        assert_eq!(kept.read().unwrap(), None);
        for cursor in ["a", "b"] {
            kept.write(&place(cursor)).unwrap();
            assert_eq!(kept.read().unwrap(), Some(place(cursor)));
        }
        assert_eq!(place("a").what.to_string(), "events of org_a as ocsf, only auth");
    }

    #[test]
    fn a_place_has_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Kept::at(folder.path().join("place")).unwrap();
        let error = Kept::at(folder.path().join("place")).unwrap_err().to_string();
        assert!(error.starts_with("another process pulls"), "{error}");
        drop(first);
        Kept::at(folder.path().join("place")).unwrap();
    }
}
