//! The server as the clients see it that people have: psql, the drivers of Python and of Java, ADBC; over TLS, with a key.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use credwatch_tests::brought::brought;
use credwatch_tests::certificates::certify;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::waiting::until;

use crate::access::{PATIENCE, text};

/// A lake with an event of each of two orgs, and a server beyond loopback.
pub(crate) struct World {
    program: Program,
    _server: Guarded,
    api: String,
    port: String,
    flight_sql: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let program = Program::fresh();
        let file = program.folder().join("events.ndjson");
        std::fs::write(&file, format!("{}\n{}\n", event("org_a", 1), event("org_b", 2))).expect("writing events");
        program.ok(&["import", text(&file)]);
        certify(program.folder());
        let config = program.folder().join("credwatch.toml");
        let path = |name: &str| program.folder().join(name);
        let (certificate, key) = (path("cert.pem"), path("key.pem"));
        let words = format!("[api]\ncertificate_file = {:?}\nkey_file = {:?}\n", text(&certificate), text(&key));
        std::fs::write(&config, words).expect("writing the configuration");
        let anywhere = "0.0.0.0:0";
        let listening = [
            "--listen",
            anywhere,
            "--listen-postgres",
            anywhere,
            "--listen-flight-sql",
            anywhere,
            "--config",
            text(&config),
        ];
        let server = program.start("server", &[&["serve", "--roles", "api"][..], &listening].concat(), &[]);
        let log = program.log("server");
        let port = |of: &'static str| until("the server listens", PATIENCE, || port_in(&log, of));
        let (api, port, flight_sql) =
            (port("listening on https"), port("clients of Postgres on"), port("clients of Flight SQL on"));
        Self { program, _server: server, api, port, flight_sql }
    }

    pub(crate) fn key(&self, arguments: &[&str]) -> String {
        self.program.ok(&[&["keys", "create", "test"], arguments].concat()).trim().to_owned()
    }

    fn authority(&self) -> PathBuf {
        self.program.folder().join("ca.pem")
    }

    /// A client that takes where and as whom it asks as arguments, and the key on stdin.
    fn client(&self, program: &str, arguments: &[&str], port: &str, key: &str) -> Output {
        let authority = self.authority();
        with_key(Command::new(program).args(arguments).args(["127.0.0.1", port, user(key), text(&authority)]), key)
    }

    pub(crate) fn psql(&self, key: &str, database: &str, commands: &[&str]) -> Output {
        let mut psql = self.of_postgres("psql", key, database);
        psql.args(["-X", "-w", "-v", "ON_ERROR_STOP=1"]);
        for command in commands {
            psql.args(["-c", command]);
        }
        psql.output().expect("starting psql")
    }

    /// A client that comes with Postgres, told where and as whom it asks.
    fn of_postgres(&self, program: &str, key: &str, database: &str) -> Command {
        let mut client = Command::new(program);
        client
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", &self.port)
            .env("PGUSER", user(key))
            .env("PGDATABASE", database)
            .env("PGPASSWORD", key)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", text(&self.authority()));
        client
    }
}

/// Runs a client that reads the key on stdin.
fn with_key(client: &mut Command, key: &str) -> Output {
    let client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().expect("starting a client");
    writeln!(client.stdin.take().expect("its stdin"), "{key}").expect("giving it the key");
    client.wait_with_output().expect("waiting for a client")
}

/// The part of a key that may be shown.
fn user(key: &str) -> &str {
    &key[4..20]
}

fn port_in(log: &Path, of: &str) -> Option<String> {
    let said = std::fs::read_to_string(log).ok()?;
    let line = said.lines().find(|line| line.contains(of))?;
    line.rsplit(':').next().map(str::to_owned)
}

fn assert_ok(client: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.ends_with("ok\n"), "{client}: {said}\n{complained}");
}

#[test]
fn psql_adbc_and_the_drivers_of_python_and_java_ask_and_are_answered() {
    let world = World::new();
    let key = world.key(&["--role", "analyst", "--all-orgs"]);
    psql_shows_tables_columns_and_comments(&world, &key);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, script) = (root.join("../target/venv/bin/python"), root.join("oracle/postgres_clients.py"));
    for client in ["psycopg", "sqlalchemy", "asyncpg"] {
        assert_ok(client, &world.client(text(&python), &[text(&script), client], &world.port, &key));
    }
    let script = root.join("oracle/flight_sql_clients.py");
    assert_ok("ADBC", &world.client(text(&python), &[text(&script)], &world.flight_sql, &key));
    let (jars, source) = (root.join("../target/jdbc/*"), root.join("jdbc/Client.java"));
    assert_ok("JDBC", &world.client("java", &["-cp", text(&jars), text(&source)], &world.port, &key));
}

/// It fails where a statement gives no row, or more than one. Each of its three ways to send a statement; some of them are what connection poolers use.
#[test]
fn pgbench_asks_in_every_mode_over_several_connections_and_nothing_fails() {
    let world = World::new();
    let key = world.key(&["--role", "analyst", "--all-orgs"]);
    let script = world.program.folder().join("look-up.sql");
    let statement = "\\set number random(1, 2)\nSELECT event_id, org_id, time FROM events WHERE seq = :number \\gset\n";
    std::fs::write(&script, statement).expect("writing a script");
    for mode in ["simple", "extended", "prepared"] {
        let mut pgbench = world.of_postgres(text(&brought("pgbench")), &key, "credwatch");
        pgbench.args(["--no-vacuum", "--protocol", mode, "--client", "4", "--jobs", "2", "--transactions", "10"]);
        let ran = pgbench.args(["--file", text(&script)]).output().expect("starting pgbench");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{mode}: {said}\n{}", String::from_utf8_lossy(&ran.stderr));
        for expected in ["actually processed: 40/40", "failed transactions: 0 "] {
            assert!(said.contains(expected), "{mode}: {said}");
        }
    }
}

/// What they send when they connect and when somebody browses. They themselves are not run.
#[test]
fn what_dbeaver_grafana_metabase_and_superset_ask_first_is_answered() {
    let world = World::new();
    let key = world.key(&["--role", "analyst", "--all-orgs"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, script) = (root.join("../target/venv/bin/python"), root.join("oracle/startup_replay.py"));
    for client in ["dbeaver", "grafana", "metabase", "superset"] {
        assert_ok(client, &world.client(text(&python), &[text(&script), client], &world.port, &key));
    }
}

/// Scopes, catalogues, plans, statistics, files and changes: whatever a statement tries, on each surface that takes one.
#[test]
fn no_statement_escapes_its_org_on_any_surface() {
    let world = World::new();
    let key = world.key(&["--role", "analyst", "--orgs", "org_a"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, script) = (root.join("../target/venv/bin/python"), root.join("oracle/escapes.py"));
    let (url, lake) = (format!("https://127.0.0.1:{}", world.api), world.program.folder().join("lake"));
    let mut escapes = Command::new(python);
    escapes.arg(script).args([&url, &world.port, &world.flight_sql, text(&world.authority()), text(&lake)]);
    assert_ok("escapes", &with_key(&mut escapes, &key));
}

fn psql_shows_tables_columns_and_comments(world: &World, key: &str) {
    let shown = world.psql(
        key,
        "credwatch",
        &["\\d", "\\dt+", "\\d+ events", "\\d calls", "\\l", "SELECT * FROM events", "SELECT * FROM findings_current"],
    );
    let said = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{said}\n{}", String::from_utf8_lossy(&shown.stderr));
    for expected in [
        "findings_current",
        "calls",
        "org_id",
        "timestamp with time zone",
        "Every revision of every finding.",
        "HTTP status",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let of_a = world.psql(
        &world.key(&["--role", "analyst", "--orgs", "org_a"]),
        "org_a",
        &["SELECT DISTINCT org_id FROM events"],
    );
    let said = String::from_utf8_lossy(&of_a.stdout);
    assert!(said.contains("org_a") && !said.contains("org_b"), "{said}");
    let refused = world.psql(key, "credwatch", &["\\copy events to '/dev/null'"]);
    assert!(!refused.status.success());
}
