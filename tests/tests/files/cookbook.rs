//! Every statement of the cookbook, run as a reader of it would run it.

use std::path::Path;

use credwatch_tests::program::Program;

const QUESTIONS: usize = 25;

/// The questions of the page and their statements.
fn cookbook() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sql-cookbook.md");
    let page = std::fs::read_to_string(path).expect("reading the cookbook");
    let sections = page.split("\n### ").skip(1);
    sections
        .map(|section| {
            let question = section.lines().next().expect("a question").to_owned();
            let statement = section.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next());
            (question, statement.expect("a statement").to_owned())
        })
        .collect()
}

#[test]
fn every_question_of_the_cookbook_is_answered_for_the_operator_and_for_an_org() {
    let program = Program::fresh();
    let file = program.folder().join("audit.ndjson");
    let file = file.to_str().expect("a path in UTF-8");
    program.ok(&["simulate", "--seed", "11", "--days", "9", "--events", "6000", "--out", file]);
    program.ok(&["import", file]);
    let questions = cookbook();
    assert_eq!(questions.len(), QUESTIONS);
    let org = program.rows(&["sql", "-c", "SELECT min(org_id) AS org FROM events"])[0]["org"].clone();
    let mut without_rows = Vec::new();
    for (question, statement) in &questions {
        let path = program.folder().join("question.sql");
        std::fs::write(&path, statement).expect("writing a statement");
        let path = path.to_str().expect("a path in UTF-8");
        if program.rows(&["sql", "-f", path]).is_empty() {
            without_rows.push(question.as_str());
        }
        program.ok(&["sql", "-f", path, "--org", org.as_str().expect("an org"), "--format", "csv"]);
    }
    // Answers that a lake of believable events must have. The others name ids of the reader's own, or trouble that need
    // not be there.
    let may_be_empty =
        ["5.", "6.", "8.", "9.", "10.", "11.", "12.", "14.", "15.", "16.", "18.", "20.", "21.", "22.", "23."];
    without_rows.retain(|question| !may_be_empty.iter().any(|number| question.starts_with(number)));
    assert_eq!(without_rows, [] as [&str; 0]);
}

#[test]
fn who_used_a_connection_is_one_readable_table() {
    let program = Program::fresh();
    let file = program.folder().join("audit.ndjson");
    let file = file.to_str().expect("a path in UTF-8");
    program.ok(&["simulate", "--seed", "11", "--days", "2", "--events", "2000", "--out", file]);
    program.ok(&["import", file]);
    let busiest = "SELECT connection_id, count(*) AS calls FROM events WHERE connection_id IS NOT NULL GROUP BY connection_id ORDER BY calls DESC, connection_id LIMIT 1";
    let busiest = &program.rows(&["sql", "-c", busiest])[0];
    let connection = busiest["connection_id"].as_str().expect("a connection");
    let rows = program.rows(&["who-used", connection]);
    let calls: i64 = rows.iter().filter_map(|row| row["calls"].as_i64()).sum();
    assert_eq!(Some(calls), busiest["calls"].as_i64());
    assert!(rows.iter().all(|row| row["agent_id"].is_string()), "{rows:?}");
    let nobody = program.run(&["who-used", "conn_none"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(0), ""));
    assert!(nobody.stderr.contains("no event names \"conn_none\""), "{}", nobody.stderr);
}
