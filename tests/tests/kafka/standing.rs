//! What stands in a lake when everything in it was judged, and what an undisturbed run over the same topic says: findings
//! must be equal, and each rollup must hold what its rows come to.

use credwatch_tests::broker::Broker;
use credwatch_tests::oracle::Sum;
use credwatch_tests::program::Program;
use serde_json::{Map, Value};

use crate::Ingest;

/// What may differ between two runs over the same log, as the contract of findings lists it.
const OF_A_RUN: [&str; 6] = ["revision", "recorded_time", "provisional", "data_seq", "sql", "seq"];

pub(crate) type Findings = Map<String, Value>;

/// Judges what is left to judge; what stands then, by id.
pub(crate) fn judged_to_the_end(program: &Program) -> Findings {
    program.ok(&["detect", "run"]);
    let rows = program.rows(&["findings", "list", "--all"]);
    rows.into_iter().filter_map(comparable).collect()
}

fn comparable(finding: Value) -> Option<(String, Value)> {
    let Value::Object(mut finding) = finding else { return None };
    if finding["status"] == "withdrawn" {
        return None;
    }
    for field in OF_A_RUN {
        finding.remove(field);
    }
    let id = finding["finding_id"].as_str()?.to_owned();
    Some((id, Value::Object(finding)))
}

/// One process reads the topic from its beginning and judges, and nothing happens to it.
pub(crate) async fn undisturbed(broker: &Broker, topic: &str) -> Findings {
    let program = Program::fresh();
    let mut serve = serve(&program, broker, topic, "undisturbed", &[]);
    serve.until_all_is_there(broker, topic).await;
    serve.stop();
    judged_to_the_end(&program)
}

/// A lake that was judged once before there was anything: without clocks the library holds from the beginning.
pub(crate) async fn founded(program: &Program, broker: &Broker, topic: &str) {
    let mut founder = serve(program, broker, topic, "founder", &[]);
    founder.until_it_says("the group gave us partitions").await;
    founder.stop();
}

/// Ingest and detectors in one process, in a group of its own.
pub(crate) fn serve<'a>(
    program: &'a Program,
    broker: &Broker,
    topic: &str,
    name: &str,
    settings: &[(&str, &str)],
) -> Ingest<'a> {
    let (address, group) = (broker.address(), format!("{topic}-of-{}", program.folder().display()));
    let settings = [&[("CREDWATCH_KAFKA__GROUP", group.as_str())], settings].concat();
    let arguments = ["serve", "--verbose", "--roles", "ingest,detect", "--brokers", &address, "--topic", topic];
    Ingest::start_as(program, name, &arguments, &settings)
}

/// Says which finding differs, not only that some do.
pub(crate) fn assert_same(expected: &Findings, found: &Findings, how: &str) {
    for (id, finding) in expected {
        assert_eq!(Some(finding), found.get(id), "{how}: a finding is missing or another one");
    }
    let surplus = found.iter().find(|(id, _)| !expected.contains_key(*id));
    assert_eq!(surplus, None, "{how}: a finding too many");
}

/// As DuckDB adds them up.
pub(crate) fn assert_rollups_hold_their_rows(program: &Program) {
    let sums = Sum::all_of(&program.lake());
    assert!(sums.iter().any(|sum| sum.counted > 0), "there is something to add up: {sums:?}");
    let wrong: Vec<&Sum> = sums.iter().filter(|sum| sum.kept != sum.counted).collect();
    assert!(wrong.is_empty(), "rollups that do not hold their rows: {wrong:?}");
}
