//! A real Prometheus scrapes a running server, and every expression of our alert rules and of the dashboard is asked of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use credwatch_tests::brought::brought;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::waiting::until;
use serde_json::Value;

use crate::access::{PATIENCE, text};
use crate::local::Local;

fn dashboards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/prometheus")
}

#[test]
fn prometheus_reads_the_rules_and_answers_every_expression_from_a_running_server() {
    let world = Local::new(&["--roles", "detect,api"], "");
    let rules = dashboards().join("credwatch.rules.yaml");
    let checked = Command::new(brought("promtool")).arg("check").arg("rules").arg(&rules).output();
    let checked = checked.expect("promtool; `make test` (or `scripts/needs build test`) brings it");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let (_prometheus, prometheus) = scraping(&world, &rules);
    let up = || ask(&prometheus, "up{job=\"credwatch\"} == 1").filter(|found| !found.is_empty());
    until("Prometheus has scraped the server", PATIENCE, up);
    let known = |name: &str| ask(&prometheus, name).is_some_and(|found| !found.is_empty());
    for name in ["credwatch_task_healthy", "credwatch_api_requests_total", "credwatch_detect_seconds_sum"] {
        until(name, PATIENCE, || known(name).then_some(()));
    }
    let expressions = expressions();
    assert!(expressions.len() >= 25, "{}", expressions.len());
    for expression in &expressions {
        assert!(ask(&prometheus, expression).is_some(), "{expression}");
    }
    let firing = ask(&prometheus, "ALERTS{alertstate=\"firing\"}").expect("an answer");
    assert!(firing.is_empty(), "{firing:?}");
}

#[test]
fn every_number_that_is_watched_is_one_that_the_program_counts() {
    let mut counted = BTreeSet::new();
    for room in ["server", "ingest", "detectors"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room).join("src"), &mut counted);
    }
    for expression in expressions() {
        let words = expression.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
        for word in words.filter(|word| word.starts_with("credwatch_")) {
            let known = counted.iter().any(|name| word == name || word.strip_suffix("_sum") == Some(name));
            assert!(known, "{word} is counted nowhere");
        }
    }
}

fn read(folder: &Path, counted: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, counted);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let quoted = text.split('"').filter(|word| word.starts_with("credwatch_"));
            counted.extend(quoted.map(str::to_owned));
        }
    }
}

fn scraping(world: &Local, rules: &Path) -> (Guarded, String) {
    let folder = world.program.folder();
    let target = world.base().trim_start_matches("http://").to_owned();
    let config = folder.join("prometheus.yml");
    let words = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules:?}]\nscrape_configs:\n  - job_name: credwatch\n    static_configs: [{{targets: [{target:?}]}}]\n"
    );
    std::fs::write(&config, words).expect("writing its configuration");
    let port = credwatch_tests::broker::free_port();
    let address = format!("127.0.0.1:{port}");
    let program = brought("prometheus");
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--web.listen-address={address}"),
        format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
        "--log.level=error".to_owned(),
    ];
    let command: Vec<&str> = [text(&program)].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let prometheus = Guarded::start(&command, &[], folder, &folder.join("prometheus.log"));
    (prometheus, format!("http://{address}"))
}

/// What an expression yields now; `None` where it cannot be asked.
fn ask(prometheus: &str, expression: &str) -> Option<Vec<Value>> {
    let url = format!("{prometheus}/api/v1/query");
    let mut answer = ureq::get(&url).query("query", expression).call().ok()?;
    let answer: Value = answer.body_mut().read_json().ok()?;
    (answer["status"] == "success").then(|| answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

fn expressions() -> Vec<String> {
    let rules = std::fs::read_to_string(dashboards().join("credwatch.rules.yaml")).expect("the rules");
    let rules: Value = serde_yaml_ng::from_str(&rules).expect("YAML");
    let board = std::fs::read_to_string(dashboards().join("metrics.json")).expect("the dashboard");
    let board: Value = serde_json::from_str(&board).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let alerts = list(&rules["groups"]).into_iter().flat_map(|group| list(&group["rules"]));
    let targets = list(&board["panels"]).into_iter().flat_map(|panel| list(&panel["targets"]));
    let text = |value: Value| value["expr"].as_str().expect("an expression").to_owned();
    alerts.chain(targets).map(text).collect()
}
