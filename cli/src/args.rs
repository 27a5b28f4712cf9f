//! What a user can say. Parsing touches nothing: files, clocks and networks come later.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use credwatch_detectors::configuration::Since;
use credwatch_detectors::org_setting::SettingKey;
use credwatch_schemas::access::Role;
use credwatch_schemas::finding::{Severity, Verdict};
use credwatch_schemas::time::Micros;

#[derive(Debug, Parser)]
#[command(
    name = "credwatch",
    version,
    about = "Reads the audit log of credential brokers, so that somebody does",
    after_help = "Examples:\n  credwatch import audit.ndjson.gz --lake ./lake\n  credwatch detect run --lake ./lake\n  credwatch findings list --lake ./lake\n  credwatch sql --lake ./lake -c \"SELECT kind, count(*) FROM events GROUP BY kind\"\n\nExit codes: 0 ok, 1 failure, 2 usage. Data goes to stdout, everything else to stderr."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The same everywhere.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Configuration file (TOML); unknown keys are errors
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the tables are: a folder or a file:// URL [default: ./lake]
    #[arg(long, global = true, value_name = "URL", env = "CREDWATCH_LAKE")]
    pub(crate) lake: Option<String>,
    /// Kafka brokers, host:port, separated by commas
    #[arg(long, global = true, value_name = "LIST")]
    pub(crate) brokers: Option<String>,
    /// Kafka topics: names separated by commas, or a pattern that begins with ^
    #[arg(long, global = true, value_name = "TOPICS")]
    pub(crate) topic: Option<String>,
    /// Read as this org sees it; without it, as the operator
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) org: Option<String>,
    /// Ask this server (http:// or https://) in place of the lake's files: findings, sql, query, who-used, keys, grants, pull
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// File with the API key for --server
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How data is written
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Say more on stderr
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// How the log on stderr is written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Csv,
    Json,
    Ndjson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run roles of the service until stopped: ingest, detect, api, export
    #[command(
        after_help = "Examples:\n  credwatch serve --lake ./lake --listen 127.0.0.1:7980\n  credwatch serve --lake ./lake --listen-postgres 127.0.0.1:5433\n  credwatch serve --roles ingest,detect,api --brokers kafka-1:9092,kafka-2:9092 --topic audit"
    )]
    Serve(Serve),
    /// Read Kafka into the lake until stopped, each record exactly once
    #[command(
        after_help = "Examples:\n  credwatch ingest --brokers localhost:9092 --topic audit\n  credwatch ingest --config /etc/credwatch/credwatch.toml --topic '^audit-.*'\n  credwatch ingest --retire audit-old    # its clock no longer holds the others back"
    )]
    Ingest(Ingest),
    /// Show everything at work in one process, with simulated agents and nothing to install
    #[command(after_help = "Examples:\n  credwatch demo\n  credwatch demo --seed 11 --keep ./demo --port 7981")]
    Demo(Demo),
    /// Write simulated traffic with known incidents to a file or to Kafka
    #[command(
        after_help = "Examples:\n  credwatch simulate --seed 7 --days 10 --out audit.ndjson    # the truth goes to audit.truth.ndjson\n  credwatch simulate --events 30000 --brokers localhost:9092 --topic audit"
    )]
    Simulate(Simulate),
    /// Read files into the lake: NDJSON or JSON, also gzip and zstd
    #[command(
        after_help = "Examples:\n  credwatch import cloudtrail.ndjson.gz\n  credwatch import part-*.zst --adapter event-v1 --max-rejects 0"
    )]
    Import(Import),
    /// Run SQL over events, findings and the rest (read-only)
    #[command(
        after_help = "Examples:\n  credwatch sql -c \"SELECT org_id, count(*) FROM events GROUP BY org_id\"\n  credwatch sql -f question.sql --format csv\n  credwatch sql            # asks for statements, one after the other"
    )]
    Sql(Sql),
    /// Keep statements under a name, and run them with values of the day
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch query save denied --org org_a -c \"SELECT agent_id, count(*) FROM calls WHERE outcome = 'denied' AND time >= \\$since GROUP BY agent_id\"\n  credwatch query list --org org_a\n  credwatch query run denied --org org_a --param since=2026-06-01T00:00:00Z --format csv\n\nEach org has names of its own, and so has the operator (without --org)."
    )]
    Query(Query),
    /// Who used a token, connection or credential: when, from where, what for
    #[command(
        after_help = "Examples:\n  credwatch who-used conn_7_12_slack\n  credwatch who-used tok_5b1c0a --org org_7 --format csv\n\nA token is known by its fingerprint (token_fp, refresh_token_fp), never by itself."
    )]
    WhoUsed {
        #[arg(value_name = "TOKEN_FP|CONNECTION|CREDENTIAL")]
        id: String,
    },
    /// Look at findings, and say what they were
    #[command(subcommand)]
    Findings(Findings),
    /// Run, test and activate detectors
    #[command(subcommand)]
    Detect(Detect),
    /// Look at settings of orgs and change them: partners, moved_connections, time_zone
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch settings list --org org_a\n  credwatch settings add --org org_a partners org_b --from beginning\n  credwatch settings add --org org_a moved_connections \"conn_9 from org_b\"\n  credwatch settings remove --org org_a partners org_b --from 2026-06-01T00:00:00Z\n  credwatch settings set --org org_a time_zone Europe/Berlin\n\nA change needs --org and holds from an event time on, by default from now. The next `credwatch detect run`, or a running detect role, judges again from there: findings that it explains are withdrawn, and those that it no longer explains come back."
    )]
    Settings(Settings),
    /// Make, list and revoke keys of the API
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch keys create siem --role exporter --orgs org_a\n  credwatch keys create dashboard --role analyst --all-orgs --expires-in-days 90\n  credwatch keys list --all\n  credwatch keys revoke 0123456789abcdef\n\nRoles: viewer, analyst, exporter, detector-author, auditor, admin; docs/access.md says what each may do."
    )]
    Keys(Keys),
    /// Grant roles to people whom the configured OpenID issuer vouches for
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch grants add groups secops --role analyst --all-orgs\n  credwatch grants add realm_access.roles org-a-admins --role admin --orgs org_a\n  credwatch grants list\n  credwatch grants remove 0123456789abcdef\n\nWhoever brings a token with that value in that claim has that role; where several grants fit, the oldest holds. docs/access.md says more."
    )]
    Grants(Grants),
    /// Look at records that did not become events
    #[command(subcommand)]
    Rejects(Rejects),
    /// Try the sinks of the configuration
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch export test splunk         # sends one made-up row and says whether it was taken\n  credwatch export skip elastic 88123  # /v1/sinks says where it stands and why\n  credwatch serve --roles detect,api,export\n\ndocs/push.md says what can be configured."
    )]
    Export(Export),
    /// Pull events or finding revisions from a server into a file or onto stdout, each once
    #[command(
        after_help = "Examples:\n  credwatch pull --server http://127.0.0.1:7980 --out events.ndjson --state events.state --follow\n  credwatch pull --server https://credwatch.example --key-file ./key --stream findings --as ocsf --once > findings.ndjson\n\nWith --out FILE each row is in the file once, whatever is killed when: the state holds the place in the stream together with the length of the file, and what a killed run wrote beyond it is cut off. On stdout a row comes at least once: what was printed before a kill may be printed again.\nA file may be rotated away between two runs; a new one is begun."
    )]
    Pull(Pull),
    /// Validate the configuration and the detector files, then probe Kafka and storage
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Detect, Part::Api])]
    pub(crate) roles: Vec<Part>,
    /// Address of the API; beyond loopback it needs keys and TLS (docs/access.md) [default: 127.0.0.1:7980]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Also answer psql and other clients of Postgres, at this address (docs/postgres.md)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen_postgres: Option<std::net::SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
/// A role of the service; people have roles too.
pub(crate) enum Part {
    Ingest,
    Detect,
    Api,
    /// Sends rows to the configured sinks
    Export,
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// Read nothing: take the clocks of a topic that is gone out of the watermark
    #[arg(long, value_name = "TOPIC")]
    pub(crate) retire: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Decides who there is and what happens
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Keep the lake in this folder; without it, it goes with the program
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Of the API on 127.0.0.1
    #[arg(long, value_name = "P", default_value_t = 7980)]
    pub(crate) port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Decides every byte
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Days of event time
    #[arg(long, value_name = "D", default_value_t = 10)]
    pub(crate) days: u32,
    /// Exactly so many events in those days, instead of what the agents' habits give
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,
    /// Event time of the beginning [default: 2026-06-01T00:00:00Z]
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) from: Option<Micros>,
    /// Write NDJSON here; the truth goes beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Which shape the records have
    #[arg(long, value_enum, default_value_t = Adapter::Auto)]
    pub(crate) adapter: Adapter,
    /// Name of a binding in the configuration (source, org, adapter, identity rule)
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// Exit with 1 when the files have more rejects than this, also those of an earlier import
    #[arg(long, value_name = "N")]
    pub(crate) max_rejects: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    Auto,
    EventV1,
    Cloudtrail,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// A statement
    #[arg(short, long, value_name = "STATEMENT", conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// A file with one statement
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Findings {
    /// Current findings, the most severe and latest first
    #[command(after_help = "Examples:\n  credwatch findings list\n  credwatch findings list --format ndjson --all")]
    List {
        /// Also digests and what was suppressed or withdrawn
        #[arg(long)]
        all: bool,
        /// Only this detector
        #[arg(long, value_name = "ID")]
        detector: Option<String>,
        /// Only this severity and above: info, low, medium, high, critical
        #[arg(long, value_parser = severity, value_name = "SEVERITY")]
        min_severity: Option<Severity>,
    },
    /// One finding, whole: evidence, compared numbers, SQL, all revisions
    Show {
        #[arg(value_name = "FINDING_ID")]
        id: String,
    },
    /// Somebody has seen it
    Ack {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Somebody looks after it
    #[command(
        after_help = "Examples:\n  credwatch findings assign f_7k2m9q4t1x8c ana\n  credwatch findings assign f_7k2m9q4t1x8c --nobody"
    )]
    Assign {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(value_name = "WHO", required_unless_present = "nobody", conflicts_with = "nobody")]
        who: Option<String>,
        /// Take the assignee away
        #[arg(long)]
        nobody: bool,
    },
    /// Write a remark; it takes the place of the one before
    Comment {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Say what it was: true_positive, benign, false_positive or duplicate
    #[command(
        after_help = "Examples:\n  credwatch findings close f_7k2m9q4t1x8c --verdict benign --comment \"the nightly export\""
    )]
    Close {
        #[arg(value_name = "FINDING_ID")]
        id: String,
        #[arg(long, value_parser = verdict, value_name = "VERDICT")]
        verdict: Verdict,
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// Judge what has not been judged yet, or an interval again
    #[command(
        after_help = "Examples:\n  credwatch detect run\n  credwatch detect run --learn-until 2023-07-10T11:56:00Z"
    )]
    Run {
        /// Event time from which to judge again
        #[arg(long, value_parser = time, value_name = "TIME")]
        from: Option<Micros>,
        /// Event time at which to stop
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: Option<Micros>,
        /// Up to this event time everything is learnt, and after it no agent is in warm-up
        #[arg(long, value_parser = time, value_name = "TIME")]
        learn_until: Option<Micros>,
    },
    /// Run the stories inside detector files
    Test {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make a detector's file hold from a time on
    Activate {
        #[arg(value_name = "ID")]
        id: String,
        /// Event time, or "beginning"
        #[arg(long, value_parser = since, value_name = "TIME")]
        from: Since,
    },
    /// Outcomes and coverage: what ran, what could not be seen
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rejects {
    /// Reasons and positions, the latest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// What to pull
    #[arg(long, value_enum, default_value_t = Stream::Events)]
    pub(crate) stream: Stream,
    /// Vocabulary of the rows
    #[arg(long = "as", value_enum, default_value_t = Vocabulary::Canonical)]
    pub(crate) vocabulary: Vocabulary,
    /// Only events of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Where to begin without a state: rows that became durable at this time or later [default: the beginning]
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) since: Option<Micros>,
    /// Where the place in the stream is kept between two runs
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Append to this file; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Rows of a page
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) limit: u16,
    /// End when everything is there (the default)
    #[arg(long, conflicts_with = "follow")]
    pub(crate) once: bool,
    /// Go on waiting for what comes
    #[arg(long)]
    pub(crate) follow: bool,
    /// Go on with what is left when rows were removed from the lake before they were pulled
    #[arg(long)]
    pub(crate) past_removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stream {
    Events,
    Findings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vocabulary {
    Canonical,
    Ocsf,
    Ecs,
    /// OpenTelemetry log records in JSON
    Otlp,
    /// Common Event Format: lines of text
    Cef,
    /// LEEF 2.0: lines of text
    Leef,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// A new key; it goes to stdout, this once
    Create(NewKey),
    /// Keys that are good, and when they were used last
    List {
        /// Also those that were revoked or have expired
        #[arg(long)]
        all: bool,
    },
    /// The key opens nothing any more; every server knows within a second
    Revoke {
        #[arg(value_name = "KEY_ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// What people call it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// viewer, analyst, exporter, detector-author, auditor or admin
    #[arg(long, value_parser = role, value_name = "ROLE")]
    pub(crate) role: Role,
    /// The orgs whose rows it reaches
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        required_unless_present = "all_orgs",
        conflicts_with = "all_orgs"
    )]
    pub(crate) orgs: Vec<String>,
    /// It reaches every org, and rows without one
    #[arg(long)]
    pub(crate) all_orgs: bool,
    /// So many days from now it opens nothing any more
    #[arg(long, value_name = "N")]
    pub(crate) expires_in_days: Option<u32>,
    /// No secret: its holder signs for it, and this file holds the public key (PEM); for /oauth/token (private_key_jwt)
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Send one made-up row to a sink; no place is moved
    Test {
        #[arg(value_name = "SINK")]
        sink: String,
    },
    /// Leave out, for good, every row up to a seq: one that the other side will never take
    Skip {
        #[arg(value_name = "SINK")]
        sink: String,
        #[arg(value_name = "SEQ")]
        to: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Grants {
    /// One more grant
    Add(AddGrant),
    /// Grants that stand, the oldest first
    List,
    /// It grants nothing any more; every server knows within a second
    Remove {
        #[arg(value_name = "GRANT_ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddGrant {
    /// A claim of the issuer's tokens; one within others is reached with points
    #[arg(value_name = "CLAIM")]
    pub(crate) claim: String,
    /// What the claim is, or has among its values
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
    /// viewer, analyst, exporter, detector-author, auditor or admin
    #[arg(long, value_parser = role, value_name = "ROLE")]
    pub(crate) role: Role,
    /// The orgs whose rows it reaches
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        required_unless_present = "all_orgs",
        conflicts_with = "all_orgs"
    )]
    pub(crate) orgs: Vec<String>,
    /// It reaches every org, and rows without one
    #[arg(long)]
    pub(crate) all_orgs: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Query {
    /// Keep a statement under a name, in the place of one of that name
    Save(SaveQuery),
    /// What is kept
    List,
    /// Run one
    Run {
        #[arg(value_name = "NAME")]
        name: String,
        /// A value for $NAME, or without a name for $1, $2, ...; what reads as JSON is that, else it is text
        #[arg(long = "param", value_name = "[NAME=]VALUE")]
        params: Vec<String>,
    },
    /// Keep it no longer
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SaveQuery {
    /// Letters, digits, dots, dashes and underscores
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The statement
    #[arg(short = 'c', long, value_name = "STATEMENT", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// A file with the statement
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What it answers, in one line
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// What holds, and since which event time
    List {
        /// Also what no longer holds
        #[arg(long)]
        all: bool,
    },
    /// One more value of a list: partners, moved_connections
    Add(Change),
    /// A value holds no longer
    Remove(Change),
    /// The one value of time_zone
    Set(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// partners, moved_connections or time_zone
    #[arg(value_parser = SettingKey::parse, value_name = "KEY")]
    pub(crate) key: SettingKey,
    /// An org's id, "CONNECTION from ORG", or an IANA time zone
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
    /// Event time from which on, or "beginning" [default: the watermark; in a lake without clocks, the beginning]
    #[arg(long, value_parser = since, value_name = "TIME")]
    pub(crate) from: Option<Since>,
}

/// The user said what cannot be meant; it ends like any other misuse of the command line.
pub(crate) fn misuse(said: impl std::fmt::Display) -> clap::Error {
    Arguments::command().error(ErrorKind::ValueValidation, said)
}

fn since(text: &str) -> Result<Since, String> {
    if text == "beginning" {
        return Ok(Since::Beginning);
    }
    let unreadable = || format!("{text:?} is neither \"beginning\" nor a time such as 2026-06-01T09:00:00Z");
    Micros::parse(text).map(Since::Time).ok_or_else(unreadable)
}

fn time(text: &str) -> Result<Micros, String> {
    Micros::parse(text).ok_or_else(|| format!("{text:?} is not a time such as 2026-06-01T09:00:00Z"))
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    Role::parse(text).ok_or_else(|| format!("{text:?} is none of {}", names()))
}

fn verdict(text: &str) -> Result<Verdict, String> {
    Verdict::parse(text).ok_or_else(|| format!("{text:?} is none of true_positive, benign, false_positive, duplicate"))
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| format!("{text:?} is none of info, low, medium, high, critical"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_begins_at_a_time_or_at_the_beginning() {
        assert_eq!(since("beginning"), Ok(Since::Beginning));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::Time(Micros(1_000_000))));
        assert!(since("yesterday").is_err());
    }
}
