//! The dashboards ask what can be answered: each of their questions goes over the wire, with Grafana's macros filled in.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::postgres::World;

#[test]
fn every_question_of_every_dashboard_is_answered() {
    let world = World::new();
    let key = world.key(&["--role", "analyst", "--all-orgs"]);
    let questions: Vec<(PathBuf, String)> = files().iter().flat_map(|file| questions(file)).collect();
    assert!(questions.len() >= 19, "{}", questions.len());
    let statements: Vec<String> = questions.iter().map(|(_, sql)| filled(sql)).collect();
    let asked: Vec<&str> = statements.iter().map(String::as_str).collect();
    let answered = world.psql(&key, "credwatch", &asked);
    let (said, complained) = (String::from_utf8_lossy(&answered.stdout), String::from_utf8_lossy(&answered.stderr));
    assert!(answered.status.success(), "{said}\n{complained}");
    // Events of two orgs are in that lake: the boards show them.
    for shown in ["slack.com", "summarizer", "org_b", "broker-eu"] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana");
    let entries = std::fs::read_dir(folder).expect("the folder of dashboards").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn questions(file: &Path) -> Vec<(PathBuf, String)> {
    let text = std::fs::read_to_string(file).expect("reading a dashboard");
    let board: Value = serde_json::from_str(&text).expect("a dashboard in JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&board["panels"]).into_iter().flat_map(|panel| list(&panel["targets"]));
    let asked = targets.map(|target| target["rawSql"].clone());
    let variables = list(&board["templating"]["list"]).into_iter().map(|variable| variable["query"].clone());
    asked.chain(variables).map(|sql| (file.to_owned(), sql.as_str().expect("a question in SQL").to_owned())).collect()
}

/// As Grafana fills them in.
fn filled(sql: &str) -> String {
    let mut sql = sql.replace("${agent:sqlstring}", "'summarizer'");
    while let Some(begin) = sql.find("$__timeFilter(") {
        let end = begin + sql[begin..].find(')').expect("a closing bracket");
        let column = sql[begin + "$__timeFilter(".len()..end].to_owned();
        let span = format!("{column} BETWEEN '2020-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'");
        sql.replace_range(begin..=end, &span);
    }
    assert!(!sql.contains('$'), "{sql}");
    sql
}
