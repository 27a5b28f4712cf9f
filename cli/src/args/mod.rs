//! What a user can say. Parsing touches nothing: files, clocks and networks come later.

mod access;
mod asking;
mod judging;
mod leaving;
mod records;
mod service;
mod values;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub(crate) use access::{AddGrant, Grants, Keys, NewKey};
pub(crate) use asking::{Between, Query, Report, SaveQuery, Sql, WeeklyReport};
pub(crate) use judging::{Change, Detect, Findings, Settings};
pub(crate) use leaving::{Export, Notify, Pull, Stream};
pub(crate) use records::{Adapter, Import, Rejects};
pub(crate) use service::{Demo, Ingest, Part, Serve, Simulate};

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
    /// Ask this server (http:// or https://) in place of the lake's files: findings, sql, query, report, who-used, keys, grants, pull
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
    /// Reports: Markdown
    Md,
    /// Reports: one file for a browser, a mail or paper
    Html,
    /// Reports: the same on paper, where Chromium is installed
    Pdf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run roles of the service until stopped: ingest, detect, api, export, notify
    #[command(
        after_help = "Examples:\n  credwatch serve --lake ./lake --listen 127.0.0.1:7980\n  credwatch serve --lake ./lake --listen-postgres 127.0.0.1:5433 --listen-flight-sql 127.0.0.1:7981\n  credwatch serve --roles ingest,detect,api --brokers kafka-1:9092,kafka-2:9092 --topic audit"
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
    /// Make reports: of a week, of readiness, for an auditor, of credentials, of somebody who leaves
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch report weekly                                   # the last week that has ended, in Markdown\n  credwatch report weekly --week 2026-W46 --org org_a --format html --out week.html\n  credwatch report weekly --server https://credwatch.example --key-file ./key --format json\n  credwatch report readiness --org org_a\n  credwatch report compliance --framework soc2 --format csv\n  credwatch report credentials --format csv\n  credwatch report offboarding usr_12\n\nThe report of a week, made again, is the same bytes, until something that it tells of has changed; then it is the next edition and says what. docs/reports.md says more."
    )]
    Report(Report),
    /// Look at findings, and say what they were
    #[command(subcommand)]
    Findings(Findings),
    /// Run, test and activate detectors
    #[command(subcommand)]
    Detect(Detect),
    /// Look at settings of orgs and change them: partners, moved_connections, time_zone
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch settings list --org org_a\n  credwatch settings add --org org_a partners org_b --from beginning\n  credwatch settings add --org org_a moved_connections \"conn_9 from org_b\" --until 2026-12-31T00:00:00Z\n  credwatch settings remove --org org_a partners org_b --from 2026-06-01T00:00:00Z\n  credwatch settings set --org org_a time_zone Europe/Berlin\n\nA change needs --org and holds from an event time on, by default from now. The next `credwatch detect run`, or a running detect role, judges again from there: findings that it explains are withdrawn, and those that it no longer explains come back."
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
    /// Try what is configured to reach people: routes, heartbeats, scheduled reports
    #[command(
        subcommand,
        after_help = "Examples:\n  credwatch notify test on-call                                   # sends one made-up message and says whether it was taken\n  credwatch notify preview --route on-call --from 2026-06-01T00:00:00Z --to 2026-06-08T00:00:00Z\n  credwatch notify skip on-call n_5f0c1a                          # a message that the other side will never take\n  credwatch serve --roles detect,api,notify\n\ndocs/notifications.md says what can be configured."
    )]
    Notify(Notify),
    /// Pull events or finding revisions from a server into a file or onto stdout, each once
    #[command(
        after_help = "Examples:\n  credwatch pull --server http://127.0.0.1:7980 --out events.ndjson --state events.state --follow\n  credwatch pull --server https://credwatch.example --key-file ./key --stream findings --as ocsf --once > findings.ndjson\n\nWith --out FILE each row is in the file once, whatever is killed when: the state holds the place in the stream together with the length of the file, and what a killed run wrote beyond it is cut off. On stdout a row comes at least once: what was printed before a kill may be printed again.\nA file may be rotated away between two runs; a new one is begun."
    )]
    Pull(Pull),
    /// Validate the configuration and the detector files, then probe Kafka and storage
    Check,
}

/// The user said what cannot be meant; it ends like any other misuse of the command line.
pub(crate) fn misuse(said: impl std::fmt::Display) -> clap::Error {
    Arguments::command().error(ErrorKind::ValueValidation, said)
}
