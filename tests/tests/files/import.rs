//! The program over files, as a security engineer uses it who has no Kafka at hand: real events in, questions answered,
//! judged by readers that share no code with it.

use std::io::Write;
use std::path::{Path, PathBuf};

use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::{event, poison};

const REAL_RECORDS: i64 = 2_900;

fn real_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cloudtrail-attack.ndjson.gz")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn write_lines(program: &Program, name: &str, lines: &[Vec<u8>]) -> PathBuf {
    let path = program.folder().join(name);
    let mut file = std::fs::File::create(&path).expect("creating a file");
    for line in lines {
        file.write_all(line).expect("writing a line");
        file.write_all(b"\n").expect("writing a line");
    }
    path
}

#[test]
fn real_events_become_rows_and_a_second_import_changes_nothing() {
    let (program, file) = (Program::fresh(), real_file());
    let first = program.rows(&["import", text(&file)]);
    assert_eq!((first[0]["rows"].as_i64(), first[0]["rejects"].as_i64()), (Some(REAL_RECORDS), Some(0)));
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.offsets), (REAL_RECORDS, REAL_RECORDS));

    let second = program.rows(&["import", text(&file)]);
    assert_eq!((second[0]["rows"].as_i64(), second[0]["already_there"].as_i64()), (Some(0), Some(REAL_RECORDS)));
    assert_eq!(Judgement::of(&program.lake()), judged);
}

#[test]
fn the_same_events_in_another_file_are_repeats_and_count_once() {
    let program = Program::fresh();
    let events: Vec<Vec<u8>> = (0..300).map(|number| event("org_a", number).into_bytes()).collect();
    let one = write_lines(&program, "one.ndjson", &events[..200]);
    let two = write_lines(&program, "two.ndjson", &events[100..]);
    program.ok(&["import", text(&one), text(&two)]);
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    assert_eq!((judged.accepted, judged.duplicates, judged.rejected), (300, 100, 0));
}

#[test]
fn one_bad_record_costs_one_row_and_says_why() {
    let program = Program::fresh();
    let mut lines = vec![event("org_a", 1).into_bytes()];
    // A blank line is no record of a file, and neither is one with a line break in it.
    let poison: Vec<_> = poison().into_iter().filter(|(_, bytes)| !bytes.trim_ascii().is_empty()).collect();
    lines.extend(poison.iter().map(|(_, bytes)| bytes.clone()));
    lines.push(event("org_a", 2).into_bytes());
    let file = write_lines(&program, "poisoned.ndjson", &lines);

    let most = (poison.len() - 1).to_string();
    for round in ["the first import", "the same import again"] {
        let ended = program.run(&["import", text(&file), "--max-rejects", &most]);
        assert_eq!(ended.code, Some(1), "{round}: {}", ended.stderr);
    }
    program.ok(&["import", text(&file), text(&file), "--max-rejects", &poison.len().to_string()]);
    assert_eq!(program.number("SELECT count(*) FROM events"), 2);
    let mut reasons: Vec<&str> = poison.iter().map(|(reason, _)| *reason).collect();
    reasons.sort_unstable();
    let listed = program.rows(&["rejects", "list"]);
    let mut found: Vec<&str> = listed.iter().map(|row| row["reason"].as_str().expect("a reason")).collect();
    found.sort_unstable();
    assert_eq!(found, reasons);
    assert!(listed.iter().all(|row| row["detail"].as_str().is_some_and(|detail| !detail.is_empty())));
}

#[test]
fn a_secret_reaches_neither_the_tables_nor_the_answer() {
    let program = Program::fresh();
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let accepted = format!(r#"{{"time":1780305243,"kind":"auth","org_id":"o","error_message":"bad token {secret}"}}"#);
    let rejected = format!(r#"{{"kind":"auth","org_id":"o","error_message":"bad token {secret}"}}"#);
    let file = write_lines(&program, "secrets.ndjson", &[accepted.into_bytes(), rejected.into_bytes()]);
    program.ok(&["import", text(&file)]);
    let shown = program.ok(&["sql", "-c", "SELECT error_message FROM events", "--format", "csv"]);
    assert!(shown.contains("[redacted:") && !shown.contains(secret), "{shown}");
    let mut folders = vec![program.lake()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("reading the lake") {
            let path = entry.expect("reading the lake").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("reading a file of the lake");
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "the secret stands in {}", path.display());
            }
        }
    }
}

#[test]
fn what_cannot_be_done_is_one_sentence_and_no_success() {
    let program = Program::fresh();
    for (arguments, code, said) in [
        (vec!["sql", "-c", "SELECT 1"], 1, "there is no lake"),
        (vec!["settings", "list"], 1, "there is no lake"),
        (vec!["import", "nowhere.ndjson"], 1, "nowhere.ndjson"),
        (vec!["sql", "--lake", "s3://bucket/lake", "-c", "SELECT 1"], 1, "only a local folder"),
        (vec!["import"], 2, "FILE"),
        (vec!["settings", "add", "partners", "org_b"], 2, "--org"),
        (vec!["settings", "add", "--org", "org_a", "partner", "org_b"], 2, "partners, moved_connections, time_zone"),
        (vec!["settings", "add", "--org", "org_a", "moved_connections", "conn_9"], 2, "conn_9 from org_b"),
        (vec!["settings", "set", "--org", "org_a", "time_zone", "Berlin"], 2, "Europe/Berlin"),
        (vec!["settings", "add", "--org", "org_a", "partners", "org_b", "--from", "today"], 2, "beginning"),
        (vec!["fly"], 2, "fly"),
    ] {
        let ended = program.run(&arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?} wrote data");
    }
}

#[test]
fn a_statement_that_is_wrong_or_writes_is_refused_with_a_reason() {
    let program = Program::fresh();
    let file = write_lines(&program, "one.ndjson", &[event("org_a", 1).into_bytes()]);
    program.ok(&["import", text(&file)]);
    for (statement, said) in [
        ("SELEKT 1", "SELEKT"),
        ("SELECT orgid FROM events", "org_id"),
        ("DROP TABLE events", ""),
        ("COPY events TO 'x.csv'", ""),
        ("SELECT 1; SELECT 2", ""),
    ] {
        let ended = program.run(&["sql", "-c", statement]);
        assert_eq!(ended.code, Some(1), "{statement}: {}", ended.stdout);
        assert!(ended.stderr.contains(said), "{statement}: {}", ended.stderr);
    }
    assert_eq!(program.number("SELECT count(*) FROM events"), 1);
}

#[test]
fn an_org_sees_its_own_rows_and_no_others() {
    let program = Program::fresh();
    let events: Vec<Vec<u8>> =
        (0..10).flat_map(|number| ["org_a", "org_b"].map(|org| event(org, number).into_bytes())).collect();
    let file = write_lines(&program, "two-orgs.ndjson", &events);
    program.ok(&["import", text(&file)]);
    let rows = program.rows(&["sql", "--org", "org_b", "-c", "SELECT DISTINCT org_id FROM events"]);
    assert_eq!(rows, [serde_json::json!({"org_id": "org_b"})]);
    assert_eq!(program.number("SELECT count(*) FROM events"), 20);
}

#[test]
fn an_import_that_was_killed_goes_on_where_the_table_stands() {
    let program = Program::fresh();
    for (round, step) in
        ["lake-after-parquet", "lake-after-sync", "lake-before-log", "lake-after-log"].into_iter().enumerate()
    {
        let first = round as u64 * 1_000;
        let lines: Vec<Vec<u8>> = (first..first + 500).map(|number| event("org_a", number).into_bytes()).collect();
        let name = format!("round-{round}.ndjson");
        let file = write_lines(&program, &name, &lines);
        let fail = format!("{step}=return");
        let mut killed = program.start(&name, &["import", text(&file)], &[("FAILPOINTS", &fail)]);
        let ended = killed.wait(std::time::Duration::from_secs(60));
        assert!(!ended.success(), "the fail point {step} was not reached");
        program.ok(&["import", text(&file)]);
        let judged = Judgement::of(&program.lake());
        judged.assert_exactly_once();
        assert_eq!(judged.accepted, (round as i64 + 1) * 500, "after {step}");
        assert_eq!(judged.duplicates, 0, "after {step}");
    }
}

#[test]
fn a_copy_of_a_detector_under_another_id_works_without_a_rebuild() {
    let (program, file) = (Program::fresh(), real_file());
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../detectors/library/new-destination.yaml");
    let content = std::fs::read_to_string(library).expect("the library is in the project");
    let folder = program.folder().join("ours");
    std::fs::create_dir(&folder).expect("creating a folder");
    let copy = folder.join("our-destinations.yaml");
    std::fs::write(&copy, content.replacen("id: new-destination", "id: our-destinations", 1)).expect("writing a file");
    let config = program.folder().join("credwatch.toml");
    std::fs::write(&config, format!("detectors = {:?}\n", text(&folder))).expect("writing a file");
    let config = ["--config", text(&config)];
    program.ok(&["import", text(&file)]);
    program.ok(&[&config[..], &["detect", "run", "--learn-until", "2023-07-10T11:56:00Z"]].concat());
    let of = |id: &str| program.rows(&[&config[..], &["findings", "list", "--all", "--detector", id]].concat()).len();
    assert!(of("new-destination") > 0);
    assert_eq!(of("our-destinations"), of("new-destination"));
}

/// A call of org_a with a credential of org_b.
fn meeting(number: u64) -> Vec<u8> {
    event("org_a", number).replace(r#""credential_org_id":"org_a""#, r#""credential_org_id":"org_b""#).into_bytes()
}

#[test]
fn a_partner_explains_a_meeting_for_as_long_as_it_is_recorded() {
    let program = Program::fresh();
    let file = write_lines(&program, "meeting.ndjson", &[event("org_a", 1).into_bytes(), meeting(2)]);
    program.ok(&["import", text(&file)]);
    let findings = || {
        program.ok(&["detect", "run"]);
        let listed = program.rows(&["findings", "list", "--detector", "cross-tenant-lookup", "--all"]);
        let told = |row: &serde_json::Value| (row["finding_id"].clone(), row["status"].clone());
        listed.iter().map(told).collect::<Vec<_>>()
    };
    let partner = |verb: &str, more: &[&str]| {
        let ended = program.run(&[&["settings", verb, "--org", "org_a", "partners", "org_b"], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr
    };
    let first = findings();
    assert_eq!(first.len(), 1);
    let (id, open) = first[0].clone();
    assert_eq!(open, "open");

    assert!(partner("add", &["--from", "beginning"]).contains("holds from the beginning"));
    assert!(partner("add", &["--from", "beginning"]).contains("nothing changed"));
    assert_eq!(findings(), [(id.clone(), "withdrawn".into())]);
    let held = serde_json::json!(
        {"org_id": "org_a", "key": "partners", "value": "org_b", "from_time": null, "until_time": null}
    );
    assert_eq!(program.rows(&["settings", "list"]), [held]);
    assert_eq!(program.rows(&["settings", "list", "--org", "org_b"]), [] as [serde_json::Value; 0]);

    // A year later the contract ends: what was explained before stays explained.
    partner("remove", &["--from", "2027-06-01T00:00:00Z"]);
    assert_eq!(findings(), [(id.clone(), "withdrawn".into())]);
    let ended = program.rows(&["settings", "list", "--all"]);
    assert_eq!(ended[0]["until_time"], "2027-06-01T00:00:00.000000Z");

    partner("remove", &["--from", "beginning"]);
    assert_eq!(findings(), [(id, "open".into())]);
    assert!(partner("remove", &[]).contains("nothing changed"));
}

#[test]
fn settings_that_are_recorded_at_the_same_time_are_all_kept() {
    let program = Program::fresh();
    let file = write_lines(&program, "one.ndjson", &[event("org_a", 1).into_bytes()]);
    program.ok(&["import", text(&file)]);
    let partners: Vec<String> = (0..6).map(|number| format!("partner_{number}")).collect();
    std::thread::scope(|scope| {
        for partner in &partners {
            scope.spawn(|| program.ok(&["settings", "add", "--org", "org_a", "partners", partner]));
        }
    });
    let listed = program.rows(&["settings", "list"]);
    let mut values: Vec<&str> = listed.iter().map(|row| row["value"].as_str().expect("a value")).collect();
    values.sort_unstable();
    assert_eq!(values, partners);
}
