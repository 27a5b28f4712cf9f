//! The bytes of a file: what they are called in the lake, and what they hold once they are unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use credwatch_schemas::position::Partition;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::import::ImportError;
use crate::redact::hex;

/// Compression is told by these, never by the file's name.
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// An open file. What is appended to it after its bytes were hashed is not read.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) partition: Partition,
    path: PathBuf,
    file: File,
    length: u64,
    magic: Vec<u8>,
    bytes_read: Arc<AtomicU64>,
}

impl Content {
    /// Opens and hashes a file; `decisions` is what its binding decides.
    pub(crate) fn open(path: &Path, decisions: &str) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Open { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(ImportError::NotAFile(path.to_owned()));
        }
        let mut file = File::open(path).map_err(failed)?;
        let (hash, length) = hash(&mut file).map_err(failed)?;
        let magic = beginning(&mut file).map_err(failed)?;
        let both = Sha256::new_with_prefix(hash).chain_update(decisions).finalize();
        let topic = format!("import:{}", hex(&both[..16]));
        let partition = Partition { topic, topic_id: String::new(), partition: 0 };
        Ok(Self { partition, path: path.to_owned(), file, length, magic, bytes_read: Arc::default() })
    }

    /// The unpacked bytes from the beginning.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>, ImportError> {
        self.unpacked().map_err(|source| ImportError::Open { path: self.path.clone(), source })
    }

    fn unpacked(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        self.bytes_read.store(0, Ordering::Relaxed);
        let packed = Counted { file: file.take(self.length), bytes: Arc::clone(&self.bytes_read) };
        let packed = BufReader::with_capacity(1 << 17, packed);
        Ok(match self.magic.as_slice() {
            magic if magic.starts_with(GZIP) => Box::new(MultiGzDecoder::new(packed)),
            magic if magic.starts_with(ZSTD) => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
            _ => Box::new(packed),
        })
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes_total(&self) -> u64 {
        self.length
    }
}

fn hash(file: &mut File) -> io::Result<([u8; 32], u64)> {
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hash.finalize().into(), length)),
            read => {
                hash.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut magic = Vec::new();
    file.take(ZSTD.len() as u64).read_to_end(&mut magic)?;
    Ok(magic)
}

/// Counts what is read of the file.
#[derive(Debug)]
struct Counted {
    file: io::Take<File>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
