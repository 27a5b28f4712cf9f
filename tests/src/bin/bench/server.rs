//! `credwatch serve` with all roles, on a port of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use credwatch_tests::broker::Broker;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use credwatch_tests::waiting::until;

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server<'a> {
    program: &'a Program,
    /// Of what it says.
    log: String,
    pub(crate) process: Guarded,
    /// Where its API is.
    pub(crate) address: String,
}

impl<'a> Server<'a> {
    /// With the role of the API alone, over what the lake holds.
    pub(crate) fn of_api(program: &'a Program) -> Self {
        Self::listening(program, &["serve", "--roles", "api", "--listen", "127.0.0.1:0"], &[])
    }

    /// The same for clients of Postgres too, and its port for them.
    pub(crate) fn of_postgres(program: &'a Program) -> (Self, String) {
        let anywhere = "127.0.0.1:0";
        let roles = ["serve", "--roles", "api", "--listen", anywhere, "--listen-postgres", anywhere];
        let server = Self::listening(program, &roles, &[]);
        let port = until("it says where clients of Postgres find it", PATIENCE, || {
            let words = server.words();
            let line = words.lines().find(|line| line.contains("clients of Postgres on"))?;
            line.rsplit(':').next().map(str::to_owned)
        });
        (server, port)
    }

    /// Starts it and waits until it listens; what `settings` adds are environment variables of the configuration.
    pub(crate) fn start(program: &'a Program, broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Self {
        let brokers = broker.address();
        let roles = ["serve", "--roles", "ingest,detect,api", "--listen", "127.0.0.1:0"];
        Self::listening(program, &[&roles[..], &["--brokers", &brokers, "--topic", topic]].concat(), settings)
    }

    fn listening(program: &'a Program, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let log = format!("serve-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let mut process = program.start(&log, arguments, settings);
        let address = until("it says where it listens", PATIENCE, || {
            let words = std::fs::read_to_string(program.log(&log)).unwrap_or_default();
            assert!(process.has_ended().is_none(), "it ended:\n{words}");
            words.lines().find_map(|line| line.split_once("listening on ")).map(|(_, address)| address.to_owned())
        });
        Self { program, log, process, address }
    }

    pub(crate) fn id(&self) -> &str {
        self.process.id()
    }

    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(self.program.log(&self.log)).unwrap_or_default()
    }

    pub(crate) fn stop(mut self) {
        assert!(self.process.stop().success(), "it stops cleanly:\n{}", self.words());
    }
}
