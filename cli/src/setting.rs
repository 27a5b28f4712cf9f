//! What every command starts from: the configuration, whose rows are read, and how data is written.

use anyhow::{Context, bail};
use credwatch_detectors::Registry;
use credwatch_ingest::RedactionKey;
use credwatch_lake::{Access, Lake, LakeError};
use credwatch_query::TenantScope;
use credwatch_query::format::OutputFormat;
use credwatch_schemas::ids::OrgId;

use crate::args::Common;
use crate::configuration::{self, Configuration};
use crate::output;
use crate::remote::Server;

/// As `changed_by` says it: whoever writes the lake's files is its operator.
pub(crate) const OPERATOR: &str = "operator";

#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) configuration: Configuration,
    pub(crate) scope: TenantScope,
    pub(crate) format: OutputFormat,
}

impl Setting {
    pub(crate) fn of(common: &Common) -> anyhow::Result<Self> {
        let scope = match &common.org {
            Some(org) => TenantScope::Org(OrgId::new(org)),
            None => TenantScope::Operator,
        };
        let format = output::of_rows(common.format).unwrap_or_default();
        Ok(Self { configuration: configuration::load(common)?, scope, format })
    }

    /// The server that is asked in place of the lake's files, where one is named.
    pub(crate) fn server(&self) -> anyhow::Result<Option<Server>> {
        let org = match &self.scope {
            TenantScope::Org(org) => Some(org.as_str()),
            TenantScope::Operator => None,
        };
        Server::of(&self.configuration.server, org)
    }

    /// For a command that works on the lake's files alone: a server that was named would be silently left out.
    pub(crate) fn without_server(&self) -> anyhow::Result<()> {
        match &self.configuration.server.url {
            None => Ok(()),
            Some(_) => bail!("this command works on the lake's files and does not go through --server"),
        }
    }

    /// The lake for a command that reads; that it is not there is a sentence with what to do.
    pub(crate) async fn lake_to_read(&self) -> anyhow::Result<Lake> {
        match Lake::open(self.configuration.lake(), Access::Read).await {
            Err(LakeError::Absent(url)) => bail!(
                "there is no lake at {url:?} yet: fill one with `credwatch import FILE`, or name another with --lake"
            ),
            other => Ok(other?),
        }
    }

    /// The lake for a command that judges: it must be there, and findings are written to it.
    pub(crate) async fn lake_to_judge(&self) -> anyhow::Result<Lake> {
        self.lake_to_read().await?;
        Ok(Lake::open(self.configuration.lake(), Access::Write).await?)
    }

    /// The lake for a command that brings records, created when it is not there, with the key that its marks are made
    /// with.
    pub(crate) async fn lake_to_fill(&self) -> anyhow::Result<(Lake, RedactionKey)> {
        let lake = Lake::open(self.configuration.lake(), Access::Write).await?;
        let key = RedactionKey::load_or_create(&self.configuration.redaction_key_file())?;
        key.claim(&lake).await?;
        Ok((lake, key))
    }

    /// The library of this build, and the folder of detectors that the configuration names.
    pub(crate) fn registry(&self) -> anyhow::Result<Registry> {
        let library = Registry::embedded()?;
        match &self.configuration.detectors {
            None => Ok(library),
            Some(folder) => library.with_folder(folder).context("reading the folder of detectors"),
        }
    }
}
