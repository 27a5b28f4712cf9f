//! The description of the API, held against the running server by a fuzzer that nobody here wrote (schemathesis): no
//! server error, no status, header or body that the description does not have, and no method that it forgets.

use std::path::Path;
use std::process::Command;

use crate::local::Local;

#[test]
fn the_server_answers_as_its_description_says_whatever_it_is_asked() {
    let world = Local::new(&["--roles", "api"], "");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fuzzed = Command::new(here.join("../target/venv/bin/schemathesis"))
        .arg("--config-file")
        .arg(here.join("oracle/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/v1/openapi.json", world.base()))
        .args(["--seed", "7", "--max-examples", "12", "--request-timeout", "60", "--no-color"])
        // Whoever is told to wait waits: what is refused for its haste has not been looked at.
        .args(["--rate-limit", "auto"])
        .current_dir(world.program.folder())
        .output()
        .expect("schemathesis; `make test` (or `scripts/needs build test`) brings it");
    let said = String::from_utf8_lossy(&fuzzed.stdout);
    assert!(fuzzed.status.success(), "{said}\n{}", String::from_utf8_lossy(&fuzzed.stderr));
}
