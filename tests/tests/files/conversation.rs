//! `credwatch sql` as a person at a terminal has it: a prompt, commands, completion, a history that stays.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use credwatch_tests::program::{Program, binary};
use credwatch_tests::records::event;
use serde_json::json;

use crate::access::text;

/// What is seen when these lines are typed, one after the other.
fn typed(program: &Program, lines: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/terminal.py");
    let (binary, lake) = (binary(), program.lake());
    let mut person = Command::new("python3")
        .args([text(&script), "credwatch> ", text(&binary), "sql", "--lake", text(&lake)])
        .env("XDG_STATE_HOME", program.folder().join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting python3");
    write!(person.stdin.take().expect("its stdin"), "{}", json!(lines)).expect("giving it the lines");
    let ended = person.wait_with_output().expect("waiting for python3");
    let seen = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{seen}\n{}", String::from_utf8_lossy(&ended.stderr));
    seen
}

#[test]
fn a_person_asks_is_helped_makes_a_mistake_and_goes_on() {
    let program = Program::fresh();
    let file = program.folder().join("events.ndjson");
    std::fs::write(&file, format!("{}\n{}\n", event("org_a", 1), event("org_b", 2))).expect("writing events");
    program.ok(&["import", text(&file)]);
    let script = program.folder().join("question.sql");
    std::fs::write(&script, "SELECT 'from ' || 'a file' AS answer;").expect("writing a statement");
    let read = format!("\\i {}", text(&script));
    let lines = [
        "\\d events",
        "SELEC 1;",
        "SELECT count(*) AS both FROM first_se\t;",
        "\\timing",
        "\\format csv",
        "SELECT org_id, 'x' AS y FROM events ORDER BY 1;",
        &read,
        "\\nothing",
        "\\q",
    ];
    let seen = typed(&program, &lines);
    for expected in [
        "dest_host",
        "cannot be read",
        "FROM first_seen_destinations",
        "time: ",
        "org_b,x",
        "from a file",
        "no command",
    ] {
        assert!(seen.contains(expected), "{expected}: {seen}");
    }
    let kept = std::fs::read_to_string(program.folder().join("state/credwatch/sql_history")).expect("a history");
    assert!(kept.contains("\\d events"), "{kept}");
    // The arrow up brings back what was typed last, also the next time.
    let seen = typed(&program, &["SELECT 1 AS one;", "\u{1b}[A", "\\q"]);
    assert!(seen.matches("| 1 ").count() >= 2, "{seen}");
}
