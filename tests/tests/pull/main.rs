//! Pulling as a SIEM does it, from the real binary: whatever is killed when, each row arrives once.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod torture;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use credwatch_tests::waiting::until;

const PATIENCE: Duration = Duration::from_secs(120);

/// A server at a port of its own, which it has again when it is started again.
struct Serving {
    port: u16,
    process: Guarded,
}

impl Serving {
    fn start(program: &Program, name: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
        Self { port, process: serve(program, name, port) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Pulls the plug, and starts another process at the same address.
    fn replace(&mut self, program: &Program, name: &str) {
        self.process.kill9();
        self.process = serve(program, name, self.port);
    }
}

fn serve(program: &Program, name: &str, port: u16) -> Guarded {
    let listen = format!("127.0.0.1:{port}");
    let mut process = program.start(name, &["serve", "--roles", "api", "--listen", &listen], &[]);
    let healthy = format!("http://{listen}/healthz");
    until("the server answers", PATIENCE, || {
        let words = || std::fs::read_to_string(program.log(name)).unwrap_or_default();
        assert!(process.has_ended().is_none(), "the server ended:\n{}", words());
        ureq::get(&healthy).call().ok()
    });
    process
}

fn import(program: &Program, name: &str, lines: &[String]) {
    let path = program.folder().join(name);
    std::fs::write(&path, lines.join("\n")).expect("writing a file");
    program.ok(&["import", text(&path)]);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The record ids of all accepted events, or of one org's, in the order of `seq`, as SQL has them.
fn truth(program: &Program, org: Option<&str>) -> Vec<String> {
    let scope: Vec<&str> = org.map(|org| vec!["--org", org]).unwrap_or_default();
    let sql = "SELECT record_id(source, org_id, event_id, content_hash) AS id FROM events ORDER BY seq";
    let rows = program.rows(&[&["sql", "-c", sql], &scope[..]].concat());
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// The record ids in a file that was pulled.
fn pulled(path: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let id = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line of NDJSON");
        row["record_id"].as_str().expect("an id").to_owned()
    };
    whole.lines().map(id).collect()
}

fn assert_same(got: &[String], wanted: &[String], who: &str) {
    let unique: BTreeSet<&String> = got.iter().collect();
    assert_eq!(unique.len(), got.len(), "{who}: rows came twice");
    assert_eq!(got.len(), wanted.len(), "{who}: {} rows of {} came", got.len(), wanted.len());
    assert_eq!(got, wanted, "{who}");
}
