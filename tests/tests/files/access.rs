//! The API as others than the operator of the machine reach it: over TLS, with a key, and written down.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use credwatch_tests::certificates::certify;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::{Ended, Program};
use credwatch_tests::records::event;
use credwatch_tests::waiting::until;
use serde::Deserialize;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A lake with an event of each of two orgs, a certificate, and a server beyond loopback.
struct World {
    program: Program,
    server: Guarded,
    port: u16,
}

#[derive(Debug, Deserialize)]
struct Answer {
    status: Option<u16>,
    body: Option<String>,
    certificate: Option<String>,
}

impl World {
    fn new() -> Self {
        let program = Program::fresh();
        let file = program.folder().join("events.ndjson");
        std::fs::write(&file, format!("{}\n{}\n", event("org_a", 1), event("org_b", 2))).expect("writing events");
        program.ok(&["import", text(&file)]);
        certify(program.folder());
        let config = format!(
            "[api]\ncertificate_file = {0:?}\nkey_file = {1:?}\n[server]\nca_file = {2:?}\n",
            text(&program.folder().join("cert.pem")),
            text(&program.folder().join("key.pem")),
            text(&program.folder().join("ca.pem"))
        );
        std::fs::write(program.folder().join("credwatch.toml"), config).expect("writing the configuration");
        let (server, port) = serve(&program, "server-1");
        Self { program, server, port }
    }

    fn key(&self, arguments: &[&str]) -> String {
        self.program.ok(&[&["keys", "create", "test"], arguments].concat()).trim().to_owned()
    }

    fn ask(&self, key: &str, path: &str) -> Answer {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/ask_https.py");
        let authority = self.program.folder().join("ca.pem");
        let mut python = Command::new("python3")
            .args([text(&script), &url, text(&authority)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting python3");
        python.stdin.take().expect("its stdin").write_all(key.as_bytes()).expect("giving it the key");
        let ended = python.wait_with_output().expect("waiting for python3");
        serde_json::from_slice(&ended.stdout).expect("an answer in JSON")
    }

    /// The program itself as a client of the server.
    fn through(&self, key: &str, arguments: &[&str]) -> Ended {
        let key_file = self.program.folder().join("client.key");
        std::fs::write(&key_file, key).expect("writing the key");
        let config = self.program.folder().join("credwatch.toml");
        let url = format!("https://127.0.0.1:{}", self.port);
        let how = ["--server", &url, "--key-file", text(&key_file), "--config", text(&config)];
        self.program.run(&[arguments, &how].concat())
    }

    fn status(&self, key: &str, path: &str) -> Option<u16> {
        self.ask(key, path).status
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Starts the API on every address; returns when it listens.
fn serve(program: &Program, name: &str) -> (Guarded, u16) {
    let config = program.folder().join("credwatch.toml");
    let arguments = ["serve", "--roles", "api", "--listen", "0.0.0.0:0", "--config", text(&config)];
    let server = program.start(name, &arguments, &[]);
    let log = program.log(name);
    let port = until("the server listens", PATIENCE, || port_in(&log));
    (server, port)
}

fn port_in(log: &PathBuf) -> Option<u16> {
    let said = std::fs::read_to_string(log).ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("listening on https://"))?;
    line.rsplit_once(':')?.1.parse().ok()
}

#[test]
fn a_key_opens_its_own_orgs_rows_over_tls_until_it_is_revoked_and_all_of_it_is_written_down() {
    let mut world = World::new();
    let (analyst, admin) =
        (world.key(&["--role", "analyst", "--orgs", "org_a"]), world.key(&["--role", "admin", "--all-orgs"]));
    assert_eq!(world.status("", "/v1/whoami"), Some(401));
    assert_eq!(world.status(&analyst[..30], "/v1/whoami"), Some(401));
    let who = world.ask(&analyst, "/v1/whoami").body.expect("an answer");
    assert!(who.contains("org_a") && !who.contains("org_b"), "{who}");
    assert_eq!(world.status(&analyst, "/v1/findings?org=org_b"), Some(403));
    assert_eq!(world.status(&analyst, "/v1/keys"), Some(403));
    assert_eq!(world.status(&admin, "/v1/keys"), Some(200));

    let id = &analyst[4..20];
    world.program.ok(&["keys", "revoke", id]);
    let refused = until("the server has heard", Duration::from_secs(2), || {
        Some(world.ask(&analyst, "/v1/whoami")).filter(|answer| answer.status == Some(401))
    });
    assert!(refused.body.expect("a problem").contains("key_revoked"));

    // What was answered is on disk, whatever happens to the server.
    world.server.kill9();
    let refusals = world.program.number("SELECT count(*) FROM audit WHERE status IN (401, 403) AND duration_ms >= 0");
    assert!(refusals >= 5, "{refusals}");
    let recorded = world.program.rows(&["sql", "-c", "SELECT action, role FROM audit WHERE detail = 'org=org_b'"]);
    assert_eq!(recorded, [serde_json::json!({"action": "GET /v1/findings", "role": "analyst"})]);
    let listed = world.program.rows(&["keys", "list", "--all"]);
    assert!(listed.iter().all(|key| key["last_used_time"].is_string()), "{listed:?}");
    assert!(!format!("{listed:?}").contains(&admin[21..]));

    let (server, port) = serve(&world.program, "server-2");
    (world.server, world.port) = (server, port);
    assert_eq!(world.status(&admin, "/v1/whoami"), Some(200));
    assert_eq!(world.status(&analyst, "/v1/whoami"), Some(401));
    assert!(world.server.stop().success());
}

#[test]
fn the_same_commands_go_through_a_server_and_see_what_its_key_sees() {
    let mut world = World::new();
    let (of_a, operator) =
        (world.key(&["--role", "analyst", "--orgs", "org_a"]), world.key(&["--role", "admin", "--all-orgs"]));
    let count = ["sql", "-c", "SELECT count(*) AS n FROM events"];
    for (key, expected) in [(&of_a, "n\n1\n"), (&operator, "n\n2\n")] {
        let ended = world.through(key, &[&count[..], &["--format", "csv"]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{}", ended.stderr);
    }
    let table = world.through(&operator, &count);
    assert_eq!(table.stdout, world.program.ok(&count), "the same table as from the files");
    let listed = world.through(&of_a, &["findings", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);

    let made = world.through(&operator, &["keys", "create", "more", "--role", "viewer", "--orgs", "org_b"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let id = &made.stdout[4..20];
    assert!(world.through(&operator, &["keys", "list"]).stdout.contains(id));
    assert_eq!(world.through(&operator, &["keys", "revoke", id]).code, Some(0));
    assert!(!world.through(&operator, &["keys", "list"]).stdout.contains(id));

    let refused = world.through(&of_a, &["keys", "list"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("forbidden"), "{}", refused.stderr);
    let not_there = world.through(&operator, &["import", "x.ndjson"]);
    assert!(not_there.stderr.contains("does not go through --server"), "{}", not_there.stderr);
    assert!(world.server.stop().success());
}

#[test]
fn a_renewed_certificate_is_taken_into_use_and_a_broken_one_is_not() {
    let mut world = World::new();
    let key = world.key(&["--role", "viewer", "--all-orgs"]);
    let first = world.ask(&key, "/v1/whoami").certificate.expect("a certificate");
    certify(world.program.folder());
    let second = until("the renewed certificate is shown", PATIENCE, || {
        world.ask(&key, "/v1/whoami").certificate.filter(|shown| *shown != first)
    });
    std::fs::write(world.program.folder().join("cert.pem"), "nonsense").expect("breaking it");
    until("the server has looked", PATIENCE, || {
        let said = std::fs::read_to_string(world.program.log("server-1")).ok()?;
        said.contains("cannot be used").then_some(())
    });
    assert_eq!(world.ask(&key, "/v1/whoami").certificate, Some(second));
    assert!(world.server.stop().success());
}

#[test]
fn what_would_give_rows_or_keys_away_does_not_start() {
    let program = Program::fresh();
    let file = program.folder().join("events.ndjson");
    std::fs::write(&file, event("org_a", 1)).expect("writing an event");
    program.ok(&["import", text(&file)]);
    let listen = ["serve", "--roles", "api", "--listen", "0.0.0.0:0"];
    let plain = program.run(&listen);
    assert_eq!(plain.code, Some(1));
    assert!(plain.stderr.contains("keys would travel in the clear"), "{}", plain.stderr);

    let config = program.folder().join("credwatch.toml");
    std::fs::write(&config, "[api]\ncertificate_file = \"none.pem\"\nkey_file = \"none.pem\"\n").expect("writing");
    let missing = program.run(&[&listen[..], &["--config", text(&config)]].concat());
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("none.pem"), "{}", missing.stderr);
}

#[test]
fn a_key_says_whose_rows_it_reaches_or_is_not_made() {
    let program = Program::fresh();
    let file = program.folder().join("events.ndjson");
    std::fs::write(&file, event("org_a", 1)).expect("writing an event");
    program.ok(&["import", text(&file)]);
    for wrong in
        [&["keys", "create", "x", "--role", "viewer"][..], &["keys", "create", "x", "--role", "root", "--all-orgs"]]
    {
        assert_eq!(program.run(wrong).code, Some(2), "{wrong:?}");
    }
    let unknown = program.run(&["keys", "revoke", "0123456789abcdef"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("there is no key"), "{}", unknown.stderr);
    assert_eq!(program.ok(&["keys", "list"]), "");
}

#[test]
fn a_statement_that_is_far_too_long_is_refused_in_a_sentence_and_not_by_a_broken_connection() {
    let world = World::new();
    let analyst = world.key(&["--role", "analyst", "--orgs", "org_a"]);
    let file = world.program.folder().join("long.sql");
    let numbers: Vec<String> = (0..1_000_000_u32).map(|number| (number * 7).to_string()).collect();
    std::fs::write(&file, format!("SELECT count(*) FROM events WHERE seq IN ({})", numbers.join(",")))
        .expect("writing a statement");
    let ended = world.through(&analyst, &["sql", "-f", text(&file)]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("larger than 256 KiB"), "{}", ended.stderr);
}
