//! Those who are told, played by a program that shares no code with ours: Slack, PagerDuty, a webhook, mail servers.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::certificates::certify;
use crate::guarded::Guarded;
use crate::waiting::until;

pub const KINDS: [&str; 4] = ["slack", "pagerduty", "webhook", "mail"];
const PATIENCE: Duration = Duration::from_secs(60);

/// Everybody who is told, in a folder of their own.
#[derive(Debug)]
pub struct People {
    pub folder: tempfile::TempDir,
    pub process: Option<Guarded>,
    /// Of HTTP, of SMTP with STARTTLS, of SMTP over TLS.
    pub ports: Vec<String>,
}

impl People {
    pub fn start() -> Self {
        let folder = tempfile::TempDir::with_prefix("credwatch-people-").expect("a folder");
        certify(folder.path());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = |name: &str| folder.path().join(name);
        let (python, script, log) =
            (here.join("../target/venv/bin/python"), here.join("oracle/people.py"), path("log"));
        let (certificate, key) = (path("cert.pem"), path("key.pem"));
        let command = [text(&python), text(&script), text(folder.path()), text(&certificate), text(&key)];
        let process = Guarded::start(&command, &[], folder.path(), &log);
        let ports = until("people listen", PATIENCE, || {
            let said = std::fs::read_to_string(&log).ok()?;
            let ports: Vec<String> = said.lines().last()?.split(' ').map(str::to_owned).collect();
            (ports.len() == 3 && ports.iter().all(|port| port.parse::<u16>().is_ok())).then_some(ports)
        });
        let people = Self { folder, process: Some(process), ports };
        people.secret("mail-login", "watch:pass:word");
        people.secret("routing-key", "0123456789abcdef0123456789abcdef");
        people.secret("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        people.secret("slack", &format!("http://127.0.0.1:{}/services/T0/B0/secret", people.ports[0]));
        people
    }

    fn secret(&self, name: &str, secret: &str) {
        std::fs::write(self.folder.path().join(name), format!("{secret}\n")).expect("writing a secret");
    }

    /// What one kind was told, in the order of taking.
    pub fn heard(&self, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{kind}.ndjson"))).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// While they are away they take nothing.
    pub fn away(&self, is_away: bool) {
        let flag = self.folder.path().join("away");
        let done = if is_away { std::fs::write(flag, "") } else { std::fs::remove_file(flag) };
        done.expect("going away or coming back");
    }

    /// How one kind of receiver is reached.
    pub fn way(&self, kind: &str) -> String {
        let file = |name: &str| text(&self.folder.path().join(name)).to_owned();
        let (http, smtp) = (&self.ports[0], &self.ports[1]);
        let way = match kind {
            "slack" => format!("to = \"slack\"\nsecret_file = {:?}", file("slack")),
            "pagerduty" => format!(
                "to = \"pagerduty\"\nurl = \"http://127.0.0.1:{http}/v2/enqueue\"\nsecret_file = {:?}",
                file("routing-key")
            ),
            "webhook" => {
                format!("to = \"webhook\"\nurl = \"http://127.0.0.1:{http}/hook\"\nsecret_file = {:?}", file("hook"))
            }
            _ => format!(
                "to = \"email\"\nurl = \"smtp://127.0.0.1:{smtp}\"\nsecret_file = {:?}\nca_file = {:?}\n\
                 from = \"credwatch <watch@example.com>\"\nrecipients = [\"on-call@example.com\", \"b@example.com\"]",
                file("mail-login"),
                file("ca.pem")
            ),
        };
        format!("{way}\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n")
    }

    /// A route to each of them.
    pub fn routes(&self, rules: &str) -> String {
        KINDS.map(|kind| format!("[[routes]]\nname = {kind:?}\n{}{rules}\n", self.way(kind))).concat()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
