//! Sinks: every row reaches every one of them, in order, whoever is away or killed meanwhile.

use std::path::Path;

use credwatch_tests::certificates::certify;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::waiting::until;

use crate::access::{PATIENCE, text};
use crate::local::Local;

const ROLES: [&str; 2] = ["--roles", "api,export"];
const KINDS: [&str; 5] = ["splunk", "elastic", "webhook", "otlp", "syslog"];

/// The other side of every sink, in a folder of its own.
struct Others {
    folder: tempfile::TempDir,
    process: Option<Guarded>,
    ports: (String, String),
}

impl Others {
    fn start() -> Self {
        let folder = tempfile::TempDir::with_prefix("credwatch-sinks-").expect("a folder");
        certify(folder.path());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = |name: &str| folder.path().join(name);
        let (python, script, log) = (here.join("../target/venv/bin/python"), here.join("oracle/sink.py"), path("log"));
        let (certificate, key) = (path("cert.pem"), path("key.pem"));
        let command = [text(&python), text(&script), text(folder.path()), text(&certificate), text(&key)];
        let process = Guarded::start(&command, &[], folder.path(), &log);
        let ports = until("the other sides listen", PATIENCE, || {
            let said = std::fs::read_to_string(&log).ok()?;
            let (http, syslog) = said.lines().next()?.split_once(' ')?;
            Some((http.to_owned(), syslog.to_owned()))
        });
        Self { folder, process: Some(process), ports }
    }

    fn taken(&self, kind: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{kind}.ids"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn config(&self) -> String {
        let secret = |name: &str, secret: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, format!("{secret}\n")).expect("writing a secret");
            format!("secret_file = {:?}", text(&path))
        };
        let (http, syslog) = &self.ports;
        let (base, allow) = (format!("http://127.0.0.1:{http}"), "allow = [\"127.0.0.0/8\", \"::1/128\"]");
        let ca = self.folder.path().join("ca.pem");
        [
            format!("to = \"splunk_hec\"\nname = \"splunk\"\nurl = {base:?}\n{}", secret("hec", "hec-token")),
            format!(
                "to = \"elasticsearch\"\nname = \"elastic\"\nurl = {base:?}\nindex = \"audit\"\n{}",
                secret("es", "elastic:pass")
            ),
            format!(
                "to = \"webhook\"\nname = \"webhook\"\nurl = \"{base}/hook\"\n{}",
                secret("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            ),
            format!("to = \"otlp\"\nname = \"otlp\"\nurl = {base:?}"),
            format!(
                "to = \"syslog\"\nname = \"syslog\"\nurl = \"syslog+tls://127.0.0.1:{syslog}\"\nca_file = {:?}",
                text(&ca)
            ),
        ]
        .map(|sink| format!("[[sinks]]\n{sink}\n{allow}\n"))
        .concat()
    }
}

/// `record_id` is no column of the table: what it is made of is, and the server tells it.
fn truth(world: &Local) -> Vec<String> {
    let pulled = world.program.ok(&["pull", "--server", world.base(), "--once"]);
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON")["record_id"].as_str().map(str::to_owned)
    };
    pulled.lines().map(|line| id(line).expect("an id")).collect()
}

fn import_more(world: &Local, from: u64, to: u64) {
    let file = world.program.folder().join("more.ndjson");
    let lines: Vec<String> = (from..to).map(|number| credwatch_tests::records::event("org_a", number)).collect();
    std::fs::write(&file, lines.join("\n")).expect("writing events");
    world.program.ok(&["import", text(&file)]);
}

/// Without what came again: each id where it came first.
fn once(ids: &[String]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    ids.iter().filter(|id| seen.insert((*id).clone())).cloned().collect()
}

#[test]
fn every_sink_gets_every_row_in_order_although_both_sides_go_away() {
    let others = Others::start();
    let mut world = Local::new(&ROLES, &others.config());
    let all_have = |world: &Local, what: &str| {
        let truth = truth(world);
        for kind in KINDS {
            until(&format!("{kind} has {} rows {what}", truth.len()), PATIENCE, || {
                (once(&others.taken(kind)) == truth).then_some(())
            });
        }
    };
    all_have(&world, "at first");
    let away = others.folder.path().join("away");
    std::fs::write(&away, "").expect("going away");
    import_more(&world, 100, 2_600);
    let failing = || status(&world).into_iter().any(|sink| sink["failing"].is_string()).then_some(());
    until("a sink is seen to fail", PATIENCE, failing);
    std::fs::remove_file(&away).expect("coming back");
    world.kill();
    world.start("server-2", &ROLES);
    all_have(&world, "after the other side was away and we were killed");
    for (kind, most) in [("elastic", 1), ("webhook", 2)] {
        let ids = others.taken(kind);
        let repeated = ids.iter().filter(|id| ids.iter().filter(|other| other == id).count() > most).count();
        assert_eq!(repeated, 0, "{kind} took a row more than {most} times");
    }
    until("all sinks are well", PATIENCE, || {
        status(&world).iter().all(|sink| sink["failing"].is_null() && sink["behind_at_most"] == 0).then_some(())
    });
}

fn status(world: &Local) -> Vec<serde_json::Value> {
    let mut answer = ureq::get(format!("{}/v1/sinks", world.base())).call().expect("the status of sinks");
    let answer: serde_json::Value = answer.body_mut().read_json().expect("JSON");
    answer["sinks"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_sink_can_be_tried_before_it_is_relied_on() {
    let mut others = Others::start();
    let world = Local::new(&["--roles", "api"], &others.config());
    let config = world.program.folder().join("credwatch.toml");
    let test = |name: &str| world.program.run(&["export", "test", name, "--config", text(&config)]);
    for kind in KINDS {
        let taken = test(kind);
        assert_eq!(taken.code, Some(0), "{}", taken.stderr);
        assert_eq!(others.taken(kind).len(), 1);
    }
    let unknown = test("nothing");
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no sink is named"), "{}", unknown.stderr);
    drop(others.process.take());
    let refused = test("splunk");
    assert!(refused.code == Some(1) && refused.stderr.contains("splunk"), "{}", refused.stderr);
}

#[test]
fn a_sink_at_a_private_address_that_is_not_listed_is_refused_before_anything_is_sent() {
    let others = Others::start();
    let config = others.config().replace("allow = [\"127.0.0.0/8\", \"::1/128\"]\n", "");
    let program = credwatch_tests::program::Program::fresh();
    let path = program.folder().join("credwatch.toml");
    std::fs::write(&path, config).expect("writing the configuration");
    let refused = program.run(&["check", "--config", text(&path)]);
    assert!(refused.code == Some(1) && refused.stderr.contains("allow"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hec-token"));
}
