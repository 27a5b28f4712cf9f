//! Whose turn it is to commit: a writer that keeps losing asks the others to hold back for one attempt.
//!
//! Without it a slow writer beside a quick one can lose for ever: each loss gives it more to look at before the next.
//! Nothing depends on it. A commit is a compare-and-set with a turn or without; where the file cannot be locked, or
//! somebody holds it for too long, everybody goes on as if it were not there. The lock is the operating system's, so it
//! ends with the process that holds it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nobody waits longer for a turn.
const AT_MOST: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// Readers of Delta tables take a name like this for nothing of the table's.
const FILE: &str = "_turn";

/// The turns of one table.
#[derive(Debug)]
pub(crate) struct Turns {
    file: PathBuf,
}

/// A turn; it is over when this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    _lock: Option<File>,
}

impl Turns {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { file: folder.join(FILE) }
    }

    /// Waits while somebody has the turn alone.
    pub(crate) async fn beside_others(&self) -> Turn {
        self.wait(File::try_lock_shared).await
    }

    /// As long as this is held, others hold back.
    pub(crate) async fn alone(&self) -> Turn {
        self.wait(File::try_lock).await
    }

    async fn wait(&self, lock: fn(&File) -> Result<(), TryLockError>) -> Turn {
        let file = self.file.clone();
        let locked = tokio::task::spawn_blocking(move || locked(&file, lock)).await;
        Turn { _lock: locked.ok().flatten() }
    }
}

fn locked(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Option<File> {
    let file = File::options().create(true).append(true).open(path).ok()?;
    let begin = Instant::now();
    loop {
        match lock(&file) {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if begin.elapsed() < AT_MOST => std::thread::sleep(BETWEEN_LOOKS),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn others_go_side_by_side_and_hold_back_for_who_has_the_turn_alone() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns::of(folder.path());
        let (one, other) = (turns.beside_others().await, turns.beside_others().await);
        drop((one, other));
        let alone = turns.alone().await;
        let waiting = turns.beside_others();
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
        drop(alone);
        assert!(waiting.await._lock.is_some());
    }

    #[tokio::test]
    async fn where_no_file_can_be_locked_everybody_goes_on() {
        let turns = Turns::of(Path::new("/nowhere/at/all"));
        assert!(turns.alone().await._lock.is_none());
        assert!(turns.beside_others().await._lock.is_none());
    }
}
