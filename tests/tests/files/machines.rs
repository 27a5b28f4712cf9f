//! Machines with access tokens: a client of OAuth that nobody here wrote, and the program itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::access::text;
use crate::local::Local;

#[test]
fn a_client_of_oauth_gets_tokens_in_its_three_ways_and_is_its_key() {
    let world = Local::new(&["--roles", "api"], "");
    let program = &world.program;
    let (pem, public) = (program.folder().join("siem.pem"), program.folder().join("siem.public.pem"));
    openssl(&["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", text(&pem)]);
    openssl(&["pkey", "-in", text(&pem), "-pubout", "-out", text(&public)]);
    let key = program.ok(&["keys", "create", "siem", "--role", "exporter", "--all-orgs"]);
    let signed =
        program.ok(&["keys", "create", "signed", "--role", "viewer", "--orgs", "org_a", "--public-key", text(&public)]);
    let (id, signed) = (key.trim()[4..20].to_owned(), signed.trim().to_owned());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut client = Command::new(here.join("../target/venv/bin/python"))
        .arg(here.join("oracle/oauth_clients.py"))
        .args([world.base(), &id, text(&pem), &signed])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting the client");
    writeln!(client.stdin.take().expect("its stdin"), "{}", key.trim()).expect("giving it the key");
    let ended = client.wait_with_output().expect("waiting for the client");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let who: Vec<String> = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(who, [format!("key:{id}"), format!("key:{id}"), format!("key:{signed}")]);
    let recorded = program.number("SELECT count(*) FROM audit WHERE action = 'POST /oauth/token' AND status = 200");
    assert_eq!(recorded, 3);
}

fn openssl(arguments: &[&str]) {
    let ended = Command::new("openssl").args(arguments).output().expect("openssl");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_query_is_saved_run_and_removed_through_the_files_and_through_a_server() {
    let world = Local::new(&["--roles", "api"], "");
    let sql = "SELECT org_id, count(*) AS n FROM events WHERE kind = $kind GROUP BY org_id ORDER BY org_id";
    let through_server = ["--server", world.base()];
    for how in [&[][..], &through_server[..]] {
        let run = |arguments: &[&str]| world.program.ok(&[arguments, how].concat());
        run(&["query", "save", "by-org", "-c", sql, "--about", "calls of each org"]);
        let answer = run(&["query", "run", "by-org", "--param", "kind=tool_call", "--format", "csv"]);
        assert_eq!(answer, "org_id,n\norg_a,1\norg_b,1\n");
        assert!(run(&["query", "list"]).contains("calls of each org"));
        run(&["query", "remove", "by-org"]);
        let gone = world.program.run(&[&["query", "run", "by-org"][..], how].concat());
        assert!(gone.code == Some(1) && gone.stderr.contains("no query is saved as"), "{}", gone.stderr);
    }
    let refused = world.program.run(&["query", "save", "bad", "-c", "DROP TABLE events"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("only statements that read"), "{}", refused.stderr);
}

#[test]
fn grants_are_made_listed_and_taken_away_at_the_command_line() {
    let world = Local::new(&["--roles", "api"], "");
    let through_server = ["--server", world.base()];
    for how in [&[][..], &through_server[..]] {
        let run = |arguments: &[&str]| world.program.ok(&[arguments, how].concat());
        let id = run(&["grants", "add", "groups", "secops", "--role", "analyst", "--orgs", "org_a"]);
        let listed = run(&["grants", "list", "--format", "csv"]);
        assert!(listed.contains(id.trim()) && listed.contains("secops"), "{listed}");
        run(&["grants", "remove", id.trim()]);
        assert_eq!(run(&["grants", "list", "--format", "csv"]).lines().count(), 1, "its header is left");
    }
}
