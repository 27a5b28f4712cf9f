//! The binary under test, run as its users run it: arguments in; stdout, stderr and an exit code out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use credwatch_lake::{Access, Lake};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use tempfile::TempDir;

use crate::guarded::Guarded;

/// The program, with a lake of its own in a scratch folder.
#[derive(Debug)]
pub struct Program {
    folder: TempDir,
}

/// What one run came to.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// A fresh scratch folder; the lake in it does not exist yet.
    pub fn fresh() -> Self {
        Self { folder: TempDir::with_prefix("credwatch-").expect("creating a scratch folder") }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn lake(&self) -> PathBuf {
        self.folder().join("lake")
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let ended = Command::new(binary())
            .args(arguments)
            .env("CREDWATCH_LAKE", self.lake())
            .env("HOME", self.folder())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("RUST_LOG")
            .current_dir(self.folder())
            .output()
            .expect("starting the binary under test");
        Ended {
            code: ended.status.code(),
            stdout: String::from_utf8(ended.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    /// Runs to a good end; what it printed on stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "credwatch {arguments:?} said on stderr:\n{}", ended.stderr);
        ended.stdout
    }

    /// Runs to a good end with `--format ndjson`; one value a line.
    pub fn rows(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let printed = self.ok(&[arguments, &["--format", "ndjson"]].concat());
        printed.lines().map(|line| serde_json::from_str(line).expect("a line of NDJSON")).collect()
    }

    /// The one value that a statement returns.
    pub fn number(&self, statement: &str) -> i64 {
        let rows = self.rows(&["sql", "-c", statement]);
        let value = rows.first().and_then(|row| row.as_object()?.values().next()?.as_i64());
        value.unwrap_or_else(|| panic!("{statement:?} returned no number: {rows:?}"))
    }

    /// Starts it and goes on; what it says goes to `<folder>/<name>.log`.
    pub fn start(&self, name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Guarded {
        let binary = binary();
        let command: Vec<&str> = [path(&binary)].into_iter().chain(arguments.iter().copied()).collect();
        self.start_command(name, &command, environment)
    }

    /// The same, with the program somewhere in `command`.
    pub fn start_command(&self, name: &str, command: &[&str], environment: &[(&str, &str)]) -> Guarded {
        let lake = self.lake();
        let environment = [environment, &[("CREDWATCH_LAKE", path(&lake)), ("HOME", path(self.folder()))]].concat();
        Guarded::start(command, &environment, self.folder(), &self.log(name))
    }

    /// How far each partition of the topic is in the lake; empty while there is no lake.
    pub async fn positions(&self, topic: &str) -> BTreeMap<Partition, i64> {
        let Ok(lake) = Lake::open(path(&self.lake()), Access::Read).await else { return BTreeMap::new() };
        let mut positions = lake.snapshot().await.map(|snapshot| snapshot.positions()).unwrap_or_default();
        positions.retain(|partition, _| partition.topic == topic);
        positions
    }

    /// The clock of each partition of the topic that has one.
    pub async fn clocks(&self, topic: &str) -> BTreeMap<Partition, Micros> {
        let Ok(lake) = Lake::open(path(&self.lake()), Access::Read).await else { return BTreeMap::new() };
        let mut clocks = lake.snapshot().await.map(|snapshot| snapshot.clocks()).unwrap_or_default();
        clocks.retain(|partition, _| partition.topic == topic);
        clocks
    }

    /// Where a started program's words go.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.log"))
    }
}

/// Cargo puts tests into a folder beside the binary that was built with them, and other binaries beside it.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let folder = own.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("target/<profile>/deps") } else { folder };
    let binary = folder.join("credwatch");
    assert!(
        binary.exists(),
        "the binary under test is missing; build it with: cargo build --bin credwatch --features credwatch-cli/failpoints"
    );
    binary
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
