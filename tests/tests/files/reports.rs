//! The weekly report as the job that makes it meets it: figures that a stranger counts again, editions, bad input.

use std::path::{Path, PathBuf};
use std::process::Command;

use credwatch_tests::program::{Program, binary};
use serde_json::Value;

use crate::access::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Two simulated weeks and some days, judged.
fn fortnight() -> Program {
    let program = Program::fresh();
    let file = program.folder().join("audit.ndjson");
    program.ok(&["simulate", "--seed", "7", "--days", "17", "--events", "8000", "--out", text(&file)]);
    program.ok(&["import", text(&file)]);
    program.ok(&["detect", "run"]);
    program
}

fn written(program: &Program, name: &str, arguments: &[&str]) -> PathBuf {
    let path = program.folder().join(name);
    program.ok(&[&["report", "weekly", "--out", text(&path)], arguments].concat());
    path
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("reading a report")).expect("a document")
}

/// The rows of all detectors' sections.
fn sections(report: &Value) -> impl Iterator<Item = Value> {
    let sections = report["sections"].as_array().expect("sections").clone();
    sections.into_iter().flat_map(|section| section["rows"].as_array().expect("rows").clone())
}

/// DuckDB, deltalake and a validator of JSON Schema share no code with us.
fn counted_again(program: &Program, report: &Path) {
    let schema = root().join("../schemas/wire/weekly-report-v1.schema.json");
    let judged = Command::new(root().join("../target/venv/bin/python"))
        .arg(root().join("oracle/report.py"))
        .args([&program.lake(), report, &schema])
        .output()
        .expect("starting the judge");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn its_figures_are_those_of_plain_sql_over_the_files_for_everybody_and_for_an_org() {
    let program = fortnight();
    let all = written(&program, "all.json", &["--format", "json"]);
    counted_again(&program, &all);
    let report = read(&all);
    assert_eq!((report["week"].as_str(), report["edition"].as_i64()), (Some("2026-W24"), Some(1)));
    let rates = report["findings"]["top"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|one| one["false_discovery_rate"].is_f64());
    assert!(
        rates.count() > 0 && report["findings"]["beyond_chance"].as_i64() > Some(0),
        "a test raised some: {report}"
    );
    assert!(!report["findings"]["top"].as_array().expect("findings").is_empty(), "{report}");
    for finding in report["findings"]["top"].as_array().expect("findings") {
        let id = finding["finding_id"].as_str().expect("an id");
        assert!(program.ok(&["findings", "show", id]).contains(id), "{finding}");
    }
    program.ok(&["settings", "set", "--org", "org_2", "time_zone", "America/New_York", "--from", "beginning"]);
    let org = written(&program, "org.json", &["--format", "json", "--org", "org_2", "--week", "2026-W24"]);
    counted_again(&program, &org);
    assert_eq!(read(&org)["from_time"], "2026-06-08T04:00:00.000000Z", "the week begins where the org lives");
    assert!(sections(&read(&org)).all(|row| row["org_id"] == "org_2"), "{}", read(&org));
    let told = std::fs::read_to_string(&org).expect("reading a report");
    for other in ["org_1", "org_3"] {
        let named = told.matches(other).count();
        // What a finding of this org says itself, such as whose credential it met.
        let by_findings = read(&org)["findings"]["top"].to_string().matches(other).count();
        let across = read(&org)["other_orgs"].to_string().matches(other).count();
        let rows = sections(&read(&org)).map(|row| row["values"].to_string().matches(other).count()).sum::<usize>();
        assert_eq!(named, by_findings + across + rows, "{told}");
    }
}

#[test]
fn made_again_it_is_the_same_bytes_until_a_record_of_that_week_comes() {
    let program = fortnight();
    let first = program.ok(&["report", "weekly", "--format", "json"]);
    let together: Vec<_> = (0..3)
        .map(|_| {
            let mut again = Command::new(binary());
            again.args(["report", "weekly", "--format", "json", "--lake", text(&program.lake())]);
            std::thread::spawn(move || again.output().expect("making a report").stdout)
        })
        .collect();
    for again in together {
        assert_eq!(String::from_utf8(again.join().expect("a thread")).expect("text"), first);
    }
    import(&program, "later.ndjson", "2026-06-18T09:00:00Z");
    program.ok(&["detect", "run"]);
    assert_eq!(program.ok(&["report", "weekly", "--format", "json", "--week", "2026-W24"]), first);
    import(&program, "late.ndjson", "2026-06-10T09:00:00Z");
    let second: Value =
        serde_json::from_str(&program.ok(&["report", "weekly", "--format", "json", "--week", "2026-W24"]))
            .expect("JSON");
    assert_eq!(second["edition"], 2);
    let changed: Vec<&str> =
        second["changed"].as_array().expect("changes").iter().filter_map(|one| one["what"].as_str()).collect();
    assert!(changed.contains(&"/coverage/events") && changed.contains(&"/calls/total/calls"), "{changed:?}");
    let outcomes = |report: &Value| -> Vec<String> {
        let detectors = report["coverage"]["detectors"].as_array().expect("detectors").iter();
        detectors.map(|one| one["outcome"].as_str().expect("an outcome").to_owned()).collect()
    };
    assert!(outcomes(&second).iter().all(|outcome| outcome == "behind"), "nobody has judged what came late: {second}");
    assert!(program.ok(&["report", "weekly", "--week", "2026-W24"]).contains("edition 2"));
}

fn import(program: &Program, name: &str, time: &str) {
    let file = program.folder().join(name);
    let event = serde_json::json!({
        "event_id": name, "time": time, "kind": "tool_call", "source": "broker-eu", "org_id": "org_1",
        "agent_id": "crm-sync-2", "dest_host": "slack.com", "outcome": "failure",
    });
    std::fs::write(&file, format!("{event}\n")).expect("writing an event");
    program.ok(&["import", text(&file)]);
}

/// The same events in two halves, the later first, with a judgement after each: what is said of the week is the same.
#[test]
fn the_same_log_makes_the_same_report_in_whatever_order_it_came() {
    let (one, other) = (fortnight(), Program::fresh());
    let events = std::fs::read_to_string(one.folder().join("audit.ndjson")).expect("reading the events");
    let lines: Vec<&str> = events.lines().collect();
    let (early, late) = lines.split_at(lines.len() / 2);
    for (name, half) in [("late.ndjson", late), ("early.ndjson", early)] {
        let file = other.folder().join(name);
        std::fs::write(&file, half.join("\n")).expect("writing half of the events");
        other.ok(&["import", text(&file)]);
        other.ok(&["detect", "run"]);
    }
    let made = |program: &Program| -> Value {
        let mut report = read(&written(program, "report.json", &["--format", "json", "--week", "2026-W24"]));
        // Of the lake, and not of the log: which row came when, and what was said before the rest was there.
        report["data_seq"] = Value::Null;
        report["findings"]["withdrawn"] = Value::Null;
        report
    };
    let (one, other) = (made(&one), made(&other));
    for (section, said) in one.as_object().expect("a document") {
        assert_eq!(*said, other[section], "{section}");
    }
}

#[test]
fn in_a_quiet_week_nothing_found_is_said_with_what_it_is_worth() {
    let program = Program::fresh();
    import(&program, "one.ndjson", "2026-06-03T09:00:00Z");
    import(&program, "two.ndjson", "2026-06-17T09:00:00Z");
    let quiet = program.ok(&["report", "weekly", "--week", "2026-W24"]);
    assert!(quiet.contains("There is no event of this week, so nothing can be said about it."), "{quiet}");
    assert!(quiet.contains("| `org_1 broker-eu` | 0 | 0 | 168 |"), "a source that said nothing is told: {quiet}");
    let unjudged = program.ok(&["report", "weekly", "--week", "2026-W23"]);
    assert!(unjudged.contains("no detector has ever run in this lake"), "{unjudged}");
    program.ok(&["detect", "run"]);
    let judged = program.ok(&["report", "weekly", "--week", "2026-W23"]);
    assert!(judged.contains("edition 2") && judged.contains("Nothing was found"), "{judged}");
    import(&program, "three.ndjson", "2026-06-04T09:00:00Z");
    let late = program.ok(&["report", "weekly", "--week", "2026-W23"]);
    assert!(late.contains("5 could not, so this is no sign of health"), "{late}");
}

#[test]
fn a_report_takes_the_place_of_what_a_link_leads_to_and_a_pipe_takes_what_is_written() {
    let program = fortnight();
    let (target, link) = (program.folder().join("target.md"), program.folder().join("link.md"));
    std::fs::write(&target, "old").expect("writing a file");
    std::os::unix::fs::symlink(&target, &link).expect("making a link");
    program.ok(&["report", "weekly", "--out", text(&link)]);
    assert!(std::fs::read_to_string(&target).expect("reading").starts_with("# Week"));
    assert!(std::fs::symlink_metadata(&link).expect("looking").is_symlink());
    let piped = program.run(&["report", "weekly", "--out", "/dev/stderr"]);
    assert!(piped.code == Some(0) && piped.stderr.contains("# Week"), "{}", piped.stderr);
}

#[test]
fn records_of_a_real_account_make_a_report_that_can_be_counted_again() {
    let program = Program::fresh();
    program.ok(&["import", text(&root().join("data/cloudtrail-attack.ndjson.gz")), "--org", "org_aws"]);
    program.ok(&["detect", "run"]);
    let report = written(&program, "aws.json", &["--format", "json"]);
    counted_again(&program, &report);
    assert!(read(&report)["coverage"]["events"].as_i64().expect("a number") > 0);
}

/// Reports as people read them, read by somebody before they were committed. After a change that is meant,
/// `CREDWATCH_BLESS=1` writes them anew: read the difference.
fn as_it_was_read(name: &str, page: &str) {
    let path = root().join("golden").join(name);
    if std::env::var_os("CREDWATCH_BLESS").is_some() {
        std::fs::write(&path, page).expect("writing a golden report");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden report");
    assert!(golden == page, "{name} is other than it was read; it says now:\n{page}");
}

#[test]
fn the_known_weeks_read_as_they_were_read() {
    let program = fortnight();
    let week = |program: &Program, week: &str| program.ok(&["report", "weekly", "--week", week]);
    as_it_was_read("fortnight.md", &week(&program, "2026-W24"));
    let with_a_hole = Program::fresh();
    let events = std::fs::read_to_string(program.folder().join("audit.ndjson")).expect("reading the events");
    let is_left = |line: &&str| {
        let event: Value = serde_json::from_str(line).expect("an event");
        let time = event["time"].as_str().expect("a time");
        !("2026-06-10T04".."2026-06-10T13").contains(&time)
    };
    let file = with_a_hole.folder().join("hole.ndjson");
    std::fs::write(&file, events.lines().filter(is_left).collect::<Vec<_>>().join("\n")).expect("writing the events");
    with_a_hole.ok(&["import", text(&file)]);
    with_a_hole.ok(&["detect", "run"]);
    as_it_was_read("hole.md", &week(&with_a_hole, "2026-W24"));
    let empty = Program::fresh();
    import(&empty, "before.ndjson", "2026-06-03T09:00:00Z");
    import(&empty, "after.ndjson", "2026-06-17T09:00:00Z");
    empty.ok(&["detect", "run"]);
    as_it_was_read("empty.md", &week(&empty, "2026-W24"));
    let real = Program::fresh();
    real.ok(&["import", text(&root().join("data/cloudtrail-attack.ndjson.gz")), "--org", "org_aws"]);
    real.ok(&["detect", "run"]);
    as_it_was_read("cloudtrail.md", &real.ok(&["report", "weekly"]));
}

/// Names that would act where they are not text. They stand in agents, hosts and sources.
const HOSTILE: [&str; 3] = [
    "<script>alert(1)</script><img src=http://192.0.2.1/x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" style=\"position:fixed",
    "javascript:alert(1)//\u{202e}txt.exe",
];

#[test]
fn the_page_can_be_read_by_everybody_in_a_browser_and_on_paper_whatever_events_are_called() {
    let program = fortnight();
    let events: Vec<String> = (0..90)
        .map(|number| {
            let name = HOSTILE[number % HOSTILE.len()];
            let event = serde_json::json!({
                "event_id": format!("hostile-{number}"), "time": format!("2026-06-10T09:{:02}:00Z", number % 60), "kind": "tool_call",
                "source": name, "org_id": "org_1", "agent_id": name, "dest_host": name, "outcome": "failure", "target_org_id": name,
            });
            event.to_string()
        })
        .collect();
    let file = program.folder().join("hostile.ndjson");
    std::fs::write(&file, events.join("\n")).expect("writing events");
    program.ok(&["import", text(&file)]);
    program.ok(&["detect", "run"]);
    let page = written(&program, "page.html", &["--format", "html", "--week", "2026-W24"]);
    let told = std::fs::read_to_string(&page).expect("reading a page");
    assert!(told.contains("&lt;script&gt;alert(1)"), "the names are on the page");
    let own = written(&program, "own.html", &["--format", "html", "--week", "2026-W24", "--org", "org_2"]);
    let paper = written(&program, "paper.pdf", &["--format", "pdf", "--week", "2026-W24"]);
    let looked = Command::new(root().join("../target/venv/bin/python"))
        .arg(root().join("oracle/pages.py"))
        .args([&page, &own, &paper])
        .output()
        .expect("starting the browser");
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
}

#[test]
fn what_cannot_be_made_is_one_sentence_and_leaves_nothing_behind() {
    let program = fortnight();
    for (arguments, code, said) in [
        (&["--week", "2031-W01"][..], 1, "has not ended yet"),
        (&["--week", "2020-W01"], 1, "before the first event"),
        (&["--org", "org_nobody"], 1, "there is no event yet"),
        (&["--week", "2026-60"], 2, "is no ISO week"),
    ] {
        let out = program.folder().join("nothing.html");
        let ended = program.run(&[&["report", "weekly", "--format", "html", "--out", text(&out)], arguments].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert!(!out.exists(), "{arguments:?}");
    }
    let nowhere = program.folder().join("no/such/folder/week.html");
    let ended = program.run(&["report", "weekly", "--format", "html", "--out", text(&nowhere)]);
    assert!(ended.code == Some(1) && ended.stderr.contains("week.html"), "{}", ended.stderr);
    let rows = program.run(&["findings", "list", "--format", "html"]);
    assert!(rows.code == Some(2) && rows.stderr.contains("only reports"), "{}", rows.stderr);
}

/// Every answer can be checked by a stranger: its own statement gives each thing a verdict.
#[test]
fn each_answer_of_a_checklist_follows_from_the_statement_that_stands_beside_it() {
    let program = fortnight();
    for report in [
        vec!["readiness"],
        vec!["compliance", "--framework", "soc2"],
        vec!["compliance", "--framework", "gdpr"],
        vec!["compliance", "--framework", "hipaa"],
        vec!["compliance", "--framework", "iso27001"],
    ] {
        let document: Value =
            serde_json::from_str(&program.ok(&[&["report"], &report[..], &["--format", "json"]].concat()))
                .expect("JSON");
        for check in document["checks"].as_array().expect("checks") {
            let name = check["check"].as_str().expect("a name");
            let rows = program.rows(&["sql", "-c", check["evidence"].as_str().expect("a statement")]);
            let count = |verdict: &str| rows.iter().filter(|row| row["verdict"] == verdict).count();
            let said = |key: &str| usize::try_from(check[key].as_i64().expect("a count")).expect("not negative");
            assert_eq!(
                (count("for"), count("against"), count("unseen")),
                (said("holds"), said("fails"), said("unseen")),
                "{name}"
            );
            let answer = match (said("holds"), said("fails"), said("unseen")) {
                (_, 1.., _) => "no",
                (1.., 0, 0) => "yes",
                _ => "not_observable",
            };
            assert_eq!(check["answer"], answer, "{name}");
        }
    }
    let page = program.ok(&["report", "readiness"]);
    for (check, answer) in
        [("A1", "NO"), ("A3", "not observable"), ("C1", "NO"), ("C2", "yes"), ("D2", "yes"), ("D3", "not observable")]
    {
        assert!(page.contains(&format!("## {check}: {answer}")), "{check} is not {answer}: {page}");
    }
    let backwards =
        program.run(&["report", "readiness", "--from", "2026-06-05T00:00:00Z", "--to", "2026-06-04T00:00:00Z"]);
    assert!(backwards.code == Some(1) && backwards.stderr.contains("nothing lies between"), "{}", backwards.stderr);
    let html = program.run(&["report", "readiness", "--format", "html"]);
    assert_eq!(html.code, Some(2), "{}", html.stderr);
}

#[test]
fn an_inventory_says_what_stops_and_a_stranger_stops_nothing() {
    let program = fortnight();
    let credentials = program.rows(&["report", "credentials"]);
    let connections = program
        .number("SELECT count(DISTINCT org_id || ' ' || connection_id) FROM events WHERE connection_id IS NOT NULL");
    assert_eq!(i64::try_from(credentials.len()).expect("few"), connections);
    let used = credentials.iter().find(|row| row["calls"].as_i64() > Some(0)).expect("one that is used");
    assert!(
        used["scopes"].is_string() && used["last_use"].is_string() && used["agents_that_stop"].is_string(),
        "{used}"
    );
    let own = program.rows(&["report", "credentials", "--org", "org_2"]);
    assert!(!own.is_empty() && own.iter().all(|row| row["org_id"] == "org_2") && own.len() < credentials.len());
    let user = "SELECT max(user_id) AS user FROM events WHERE credential_class = 'per_user'";
    let user = program.rows(&["sql", "-c", user])[0]["user"].as_str().map(str::to_owned);
    if let Some(user) = user {
        let stops = program.rows(&["report", "offboarding", &user]);
        assert!(
            stops.iter().any(|row| row["effect"].as_str().is_some_and(|effect| effect.starts_with("stops"))),
            "{stops:?}"
        );
    }
    let nobody = program.run(&["report", "offboarding", "usr'; DROP TABLE events"]);
    assert!(
        nobody.code == Some(0) && nobody.stdout.is_empty() && nobody.stderr.contains("no event names"),
        "{}",
        nobody.stderr
    );
}
