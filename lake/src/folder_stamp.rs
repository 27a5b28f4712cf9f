//! Whether anything was created, renamed or removed in a folder since it was last looked at, for the price of one call.
//!
//! A folder's change time moves with every entry that comes or goes, and nobody but the kernel sets it. It moves in steps
//! of some milliseconds, so that two changes within one step look like one: a stamp is taken only of a folder that has
//! been still for a while.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than any step of a file system's clock.
const STILL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderStamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl FolderStamp {
    /// `None` while the folder changes, or where the clock says nothing about it: then only looking inside tells.
    pub(crate) fn of(folder: &Path) -> io::Result<Option<Self>> {
        let found = std::fs::metadata(folder)?;
        let stamp = Self { device: found.dev(), inode: found.ino(), changed: (found.ctime(), found.ctime_nsec()) };
        Ok(Some(stamp).filter(|stamp| stamp.is_still_at(now())))
    }

    fn is_still_at(self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else {
            return false;
        };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
        now.duration_since(changed).is_ok_and(|still| still > STILL)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is compared with the file system's clock, and decides nothing but what to read"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seconds: i64) -> FolderStamp {
        FolderStamp { device: 1, inode: 2, changed: (seconds, 0) }
    }

    #[test]
    fn a_folder_that_changed_a_moment_ago_or_in_the_future_has_no_stamp() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert!(stamp(90).is_still_at(now));
        assert!(!stamp(99).is_still_at(now) && !stamp(100).is_still_at(now));
        assert!(!stamp(101).is_still_at(now), "the clock went back");
        assert!(!stamp(-5).is_still_at(now));
    }

    #[test]
    fn a_new_entry_takes_the_stamp_away() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("0.json"), "{}").unwrap();
        assert_eq!(FolderStamp::of(folder.path()).unwrap(), None);
    }
}
