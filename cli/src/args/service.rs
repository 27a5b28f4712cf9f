//! What runs: the service and its roles, the demo, simulated traffic.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use credwatch_schemas::time::Micros;

use super::values::time;

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
    /// Also answer ADBC and other clients of Arrow Flight SQL, at this address (docs/flight-sql.md)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen_flight_sql: Option<std::net::SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
/// A role of the service; people have roles too.
pub(crate) enum Part {
    Ingest,
    Detect,
    Api,
    /// Sends rows to the configured sinks
    Export,
    /// Tells people: configured routes, heartbeats and reports
    Notify,
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
