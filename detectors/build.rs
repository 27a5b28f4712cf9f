//! Lists the files of `library/` for `include_str!`, so that a new file is a new detector without a line of Rust.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let library = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("library");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed={}", library.display());
    let mut code = String::new();
    list(&mut code, "DETECTOR_FILES", &library)?;
    list(&mut code, "DATA_FILES", &library.join("data"))?;
    fs::write(out.join("library.rs"), code)
}

/// A constant of (file name without ending, content), sorted by name.
fn list(code: &mut String, constant: &str, folder: &Path) -> io::Result<()> {
    let mut files: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
        Err(_) => Vec::new(),
    };
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    code.push_str(&format!("const {constant}: &[(&str, &str)] = &[\n"));
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        code.push_str(&format!("    ({name:?}, include_str!({:?})),\n", path.display()));
    }
    code.push_str("];\n");
    Ok(())
}
