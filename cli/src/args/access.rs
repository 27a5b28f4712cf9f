//! Who may use the API.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credwatch_schemas::access::{Reach, Role};
use credwatch_schemas::ids::OrgId;

use super::values::role;

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
    #[command(flatten)]
    pub(crate) reaching: Reaching,
    /// So many days from now it opens nothing any more
    #[arg(long, value_name = "N")]
    pub(crate) expires_in_days: Option<u32>,
    /// No secret: its holder signs for it, and this file holds the public key (PEM); for /oauth/token (private_key_jwt)
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) reaching: Reaching,
}

/// Whose rows.
#[derive(Debug, Args)]
pub(crate) struct Reaching {
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

impl Reaching {
    pub(crate) fn reach(self) -> Reach {
        match self.orgs.is_empty() {
            true => Reach::Operator,
            false => Reach::Orgs(self.orgs.into_iter().map(OrgId::new).collect()),
        }
    }
}
