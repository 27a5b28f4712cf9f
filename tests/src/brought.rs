//! Programs of Debian that the tests run: installed, or unpacked under `target` by `scripts/needs`.

use std::path::{Path, PathBuf};

/// What is unpacked comes first: a program of that name on the path may only look for the one that is missing.
pub fn brought(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let versions = std::fs::read_dir(target.join("pgbench/usr/lib/postgresql")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.push(target.join("prometheus/usr/bin"));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists()).unwrap_or_else(|| name.into())
}
