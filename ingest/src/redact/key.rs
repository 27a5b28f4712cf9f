//! The key that fingerprints secrets. It lies in a file that only its owner may read, and cannot be printed.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use credwatch_lake::{Lake, LakeError};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::redact::raw::hex;

/// The property of the lake that names the key of its marks.
pub const PROPERTY: &str = "credwatch.redaction-key";

/// 256 random bits. `Debug` and `Display` show the id alone.
#[derive(Clone)]
pub struct RedactionKey {
    mac: Hmac<Sha256>,
    id: String,
}

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("read the redaction key \"{path}\"")]
    Read { path: PathBuf, source: io::Error },
    #[error("create the redaction key \"{path}\"")]
    Create { path: PathBuf, source: io::Error },
    #[error(
        "read the redaction key \"{path}\": its mode is {mode:04o}, and others than its owner may have read it; make it 0600"
    )]
    Mode { path: PathBuf, mode: u32 },
    #[error("read the redaction key \"{0}\": it is not one line of 64 hexadecimal digits")]
    Shape(PathBuf),
    #[error(
        "write to lake \"{lake}\": its marks are made with redaction key {expected}, and this process has key {found}; use the key file that the lake began with"
    )]
    OtherKey { lake: String, expected: String, found: String },
    #[error("compare the redaction key with that of the lake")]
    Lake(#[from] LakeError),
}

impl RedactionKey {
    /// The key in a file; on first use it is drawn and the file is written, readable by its owner alone.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(|source| KeyError::Create { path: path.to_owned(), source })?;
                Self::load(path)
            }
            other => other,
        }
    }

    /// The key in a file that must exist.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        from_hex(text.trim()).map(Self::from_bytes).ok_or_else(|| KeyError::Shape(path.to_owned()))
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let id = Sha256::new_with_prefix(b"credwatch redaction key id\0").chain_update(bytes).finalize();
        // A key of any length is allowed, so this cannot fail; an empty key would be a key all the same.
        let mac = Hmac::new_from_slice(&bytes).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self { mac, id: hex(&id[..4]) }
    }

    /// Tells keys apart without saying anything about them.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 64 bits of HMAC-SHA256.
    pub fn fingerprint(&self, secret: &[u8]) -> String {
        hex(&self.mac.clone().chain_update(secret).finalize().into_bytes()[..8])
    }

    /// Another secret for another purpose. Whoever knows fingerprints, or this, knows nothing of the key.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let made = self.mac.clone().chain_update(b"credwatch derived key\0").chain_update(purpose).finalize();
        // Fingerprints show the beginning of such codes for texts that anybody may choose, so it goes through once more.
        Sha256::digest(made.into_bytes()).into()
    }

    /// Makes this the key of a lake that has none, and refuses to write to a lake of another key: the same secret
    /// would get two fingerprints.
    pub async fn claim(&self, lake: &Lake) -> Result<(), KeyError> {
        let expected = lake.settle_property(PROPERTY, &self.id).await?;
        if expected == self.id {
            return Ok(());
        }
        Err(KeyError::OtherKey { lake: lake.url().to_owned(), expected, found: self.id.clone() })
    }
}

impl fmt::Debug for RedactionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RedactionKey({})", self.id)
    }
}

impl fmt::Display for RedactionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "redaction key {}", self.id)
    }
}

/// Writes beside the place and links into it, so that nobody ever reads half a key; whoever comes second keeps the
/// first one's.
fn create(path: &Path) -> io::Result<()> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let draft = PathBuf::from(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(format!("{}\n", hex(&bytes)).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_creates_it_and_every_other_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/key");
        let first = RedactionKey::load_or_create(&path).unwrap();
        let second = RedactionKey::load_or_create(&path).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(first.fingerprint(b"x"), second.fingerprint(b"x"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        RedactionKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = RedactionKey::load_or_create(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("its mode is 0640, and others than its owner may have read it; make it 0600"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.write_all(b"short\n").unwrap();
        assert!(matches!(RedactionKey::load_or_create(&path), Err(KeyError::Shape(_))));
    }

    #[test]
    fn printing_shows_its_id_alone() {
        let key = RedactionKey::from_bytes([7; 32]);
        assert_eq!(format!("{key:?}"), format!("RedactionKey({})", key.id()));
        assert!(!format!("{key:?} {key}").contains("0707"));
    }

    #[test]
    fn fingerprints_are_frozen_and_keyed() {
        let (one, other) = (RedactionKey::from_bytes([7; 32]), RedactionKey::from_bytes([8; 32]));
        assert_eq!((one.id(), one.fingerprint(b"secret").as_str()), ("6bb0ac35", "e8f9acc76498c028"));
        assert_ne!(one.fingerprint(b"secret"), other.fingerprint(b"secret"));
    }

    #[tokio::test]
    async fn a_writer_with_another_key_is_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap(), credwatch_lake::Access::Write).await.unwrap();
        RedactionKey::from_bytes([7; 32]).claim(&lake).await.unwrap();
        RedactionKey::from_bytes([7; 32]).claim(&lake).await.unwrap();
        let refused = RedactionKey::from_bytes([8; 32]).claim(&lake).await.unwrap_err();
        assert!(matches!(refused, KeyError::OtherKey { .. }), "{refused}");
    }
}
