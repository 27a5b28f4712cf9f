//! Where rows go: a file whose end is known, or stdout.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, anyhow};

use super::place::sync_folder_of;
use crate::output;

#[derive(Debug)]
pub(super) enum Destination {
    Stdout,
    File(File),
}

impl Destination {
    /// The file, and its length. A state knows it up to a place: what lies behind was written by a run that was killed
    /// before it kept its place, and is cut off. Without a state a file with rows is somebody else's.
    pub(super) fn open(path: &Path, known: Option<u64>) -> anyhow::Result<(Self, u64)> {
        let file = File::options().create(true).truncate(false).write(true).open(path);
        let mut file = file.with_context(|| format!("opening {path:?}"))?;
        let found = file.metadata().with_context(|| format!("measuring {path:?}"))?.len();
        let length = length(found, known).map_err(|why| anyhow!("{path:?} {why}"))?;
        let prepared = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).and_then(|_| file.sync_all());
        prepared.and_then(|()| sync_folder_of(path)).with_context(|| format!("preparing {path:?}"))?;
        Ok((Self::File(file), length))
    }

    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => output::write(rows),
            Self::File(_) if rows.is_empty() => Ok(()),
            Self::File(file) => {
                file.write_all(rows)?;
                file.sync_data()
            }
        }
    }
}

/// To which length a file is cut, of which so much is found and so much known.
fn length(found: u64, known: Option<u64>) -> Result<u64, String> {
    match known {
        None if found > 0 => {
            Err("has rows, and no state says where they end; name another file or its state".to_owned())
        }
        // It was rotated away: a new one is begun.
        Some(_) if found == 0 => Ok(0),
        Some(known) if found < known => {
            Err(format!("has {found} bytes and its state says {known}: it is not the file that was written"))
        }
        known => Ok(known.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_state_does_not_know_is_cut_off_and_what_is_not_ours_is_left_alone() {
        assert_eq!(length(0, None), Ok(0));
        assert!(length(9, None).is_err(), "a file of somebody else");
        assert_eq!(length(9, Some(9)), Ok(9));
        assert_eq!(length(15, Some(9)), Ok(9), "a page without its place");
        assert_eq!(length(15, Some(0)), Ok(0), "the first page without its place");
        assert!(length(5, Some(9)).is_err());
        assert_eq!(length(0, Some(9)), Ok(0), "rotated away");
    }
}
