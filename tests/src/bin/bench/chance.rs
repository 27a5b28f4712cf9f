//! Whether the number of findings that a report expects by chance is the number that chance raises: months in which
//! nothing is wrong, made, judged, and reported on.

use std::fs::{File, create_dir, read_to_string, write};
use std::path::{Path, PathBuf};

use credwatch_schemas::weekly_report::WeeklyReport;
use credwatch_simulate::{Plan, write_to};
use credwatch_tests::program::Program;

/// Others than those from which the part that is spent was learnt (101 to 103).
const SEEDS: [u64; 3] = [201, 202, 203];
const DETECTOR: &str = "error-rate-spike";
/// Two hundred times the library's: chance must raise enough to be counted.
const BUDGET: &str = "0.2";
const LIBRARY: &str = "value: 0.001";
/// The first week is learnt.
const WEEKS: [&str; 4] = ["2026-W24", "2026-W25", "2026-W26", "2026-W27"];

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    stated: f64,
    raised: i64,
    beyond: i64,
}

pub(crate) fn measure() -> String {
    let mut section = format!(
        "## Findings by chance\n\n`{DETECTOR}` with a budget of {BUDGET} for an agent and day over five weeks of 4 orgs with 50 agents each in which nothing is \
         wrong; the last four, as the weekly reports tell of them.\n\n| seed | events | stated | raised | beyond chance at a rate of 10 % |\n\
         | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mut all = Counted::default();
    for seed in SEEDS {
        let (events, counted) = month(seed);
        section.push_str(&row(&seed.to_string(), events, counted));
        all.stated += counted.stated;
        all.raised += counted.raised;
        all.beyond += counted.beyond;
    }
    section.push_str(&format!(
        "\nTogether {} were raised where {:.1} were stated: {:.2} times (goal: between 0.5 and 2).\n\n",
        all.raised,
        all.stated,
        all.raised as f64 / all.stated
    ));
    section
}

fn row(name: &str, events: u64, counted: Counted) -> String {
    let row = format!("| {name} | {events} | {:.1} | {} | {} |\n", counted.stated, counted.raised, counted.beyond);
    print!("{row}");
    row
}

fn month(seed: u64) -> (u64, Counted) {
    let program = Program::fresh();
    let file = program.folder().join("month.ndjson");
    let plan = Plan { seed, days: 36, orgs: 4, agents: 50, rate: 0.2, incidents: 0, ..Plan::default() };
    let mut out = File::create(&file).expect("creating a file");
    let events = write_to(plan, &mut out, &mut std::io::sink()).expect("writing a month").events;
    let configuration = with_budget(program.folder());
    let (configuration, file) = (text(&configuration), text(&file));
    program.ok(&["--config", configuration, "import", file]);
    program.ok(&["--config", configuration, "detect", "run"]);
    let mut counted = Counted::default();
    for week in WEEKS {
        let report = program.ok(&["report", "weekly", "--week", week, "--format", "json"]);
        let report: WeeklyReport = serde_json::from_str(&report).expect("a report");
        let findings = report.content.findings;
        counted.stated += findings.expected_by_chance.expect("a detector that tests");
        counted.raised += findings.statistical.expect("a detector that tests");
        counted.beyond += findings.beyond_chance.expect("a detector that tests");
    }
    (events, counted)
}

/// The library's file with another budget takes its place.
fn with_budget(folder: &Path) -> PathBuf {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../detectors/library");
    let content = read_to_string(library.join(format!("{DETECTOR}.yaml"))).expect("a file of the library");
    assert_eq!(content.matches(LIBRARY).count(), 1, "the budget is the only parameter of its value");
    let detectors = folder.join("detectors");
    create_dir(&detectors).expect("creating a folder");
    let budget = content.replace(LIBRARY, &format!("value: {BUDGET}"));
    write(detectors.join(format!("{DETECTOR}.yaml")), budget).expect("writing a detector");
    let configuration = folder.join("credwatch.toml");
    write(&configuration, format!("detectors = {detectors:?}\n")).expect("writing a configuration");
    configuration
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
