//! A server for the operator of this machine, over a lake with an event of each of two orgs.

use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::waiting::until;

use crate::access::{PATIENCE, text};

pub(crate) struct Local {
    pub(crate) program: Program,
    server: Option<Guarded>,
    base: String,
}

impl Local {
    /// `config` is what stands in its configuration; `FOLDER` in it is the program's folder.
    pub(crate) fn new(arguments: &[&str], config: &str) -> Self {
        let program = Program::fresh();
        let file = program.folder().join("events.ndjson");
        std::fs::write(&file, format!("{}\n{}\n", event("org_a", 1), event("org_b", 2))).expect("writing events");
        program.ok(&["import", text(&file)]);
        let config = config.replace("FOLDER", text(program.folder()));
        std::fs::write(program.folder().join("credwatch.toml"), config).expect("writing the configuration");
        let mut local = Self { program, server: None, base: String::new() };
        local.start("server-1", arguments);
        local
    }

    pub(crate) fn start(&mut self, name: &str, arguments: &[&str]) {
        let config = self.program.folder().join("credwatch.toml");
        let listening = ["serve", "--listen", "127.0.0.1:0", "--config", text(&config)];
        let server = self.program.start(name, &[&listening[..], arguments].concat(), &[]);
        let log = self.program.log(name);
        self.base = until("the server listens", PATIENCE, || {
            let said = std::fs::read_to_string(&log).ok()?;
            said.lines().find_map(|line| line.strip_prefix("listening on ")).map(|url| url.trim().to_owned())
        });
        self.server = Some(server);
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&mut self) {
        drop(self.server.take());
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}
