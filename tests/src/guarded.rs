//! A child process that cannot outlive the test, however the test ends.
//!
//! A shell stands between: it holds the read end of a pipe whose write end is ours. When this process dies the pipe
//! closes, and the shell kills the child.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::waiting::{BETWEEN_LOOKS, let_pass, until};

const GUARD: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( cat <&3 >/dev/null; kill -9 $child 2>/dev/null ) 2>/dev/null &
guard=$!
exec 3<&-
echo $child >"$GUARDED_ID.tmp" && mv "$GUARDED_ID.tmp" "$GUARDED_ID"
wait $child
code=$?
kill $guard 2>/dev/null
exit $code"#;

#[derive(Debug)]
pub struct Guarded {
    shell: Child,
    id: String,
}

impl Guarded {
    /// Starts `command`; what it says goes to the file `log`.
    pub fn start(command: &[&str], environment: &[(&str, &str)], folder: &Path, log: &Path) -> Self {
        let id_file = folder.join(format!("process-{:x}.id", rand::random::<u64>()));
        let out = File::options().create(true).append(true).open(log).expect("opening the log of a child process");
        let shell = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .args(command)
            .envs(environment.iter().copied())
            .env("GUARDED_ID", &id_file)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("sharing the log of a child process"))
            .stderr(out)
            .spawn()
            .expect("starting a shell");
        let id = until("a child process has an id", Duration::from_secs(10), || std::fs::read_to_string(&id_file).ok());
        Self { shell, id: id.trim().to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().expect("asking after a child process")
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id]).stderr(Stdio::null()).status();
        sent.expect("sending a signal");
    }

    /// Waits for the end; kills and fails when it does not come in time.
    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let shell = &mut self.shell;
        until("a child process ends", at_most, || shell.try_wait().expect("asking after a child process"))
    }

    /// Waits for the end; whoever asks decides what it means when it does not come in time.
    pub fn ends_within(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        let mut ended = self.has_ended();
        while ended.is_none() && begin.elapsed() < at_most {
            let_pass(BETWEEN_LOOKS);
            ended = self.has_ended();
        }
        ended
    }

    /// Asks it to stop and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.wait(Duration::from_secs(40))
    }

    /// Pulls the plug.
    pub fn kill9(&mut self) -> ExitStatus {
        self.signal("-KILL");
        self.wait(Duration::from_secs(10))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if matches!(self.shell.try_wait(), Ok(None)) {
            self.signal("-KILL");
            drop(self.shell.stdin.take());
            drop(self.shell.wait());
        }
    }
}
