//! `credwatch check`: is what was configured sound, and can Kafka and the lake be reached?
//!
//! It creates nothing: a lake that is not there yet is fine as long as it can be created.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use credwatch_ingest::RedactionKey;
use credwatch_ingest::kafka::probe;
use credwatch_lake::{Access, Lake, LakeError};
use credwatch_server::push::forwarders;

use crate::output;
use crate::reaching::Reaching;
use crate::setting::Setting;

pub(crate) async fn run(setting: &Setting) -> anyhow::Result<ExitCode> {
    output::line("configuration: ok")?;
    let registry = setting.registry()?;
    output::line(&format!("detectors: ok, {} of them", registry.detectors().len()))?;
    output::line(&format!("kafka: {}", brokers(setting).await?))?;
    output::line(&format!("storage: ok, {}", storage(setting).await?))?;
    let key = setting.configuration.redaction_key_file();
    let known =
        if key.exists() { RedactionKey::load(&key)?.id().to_owned() } else { "drawn at the first import".into() };
    output::line(&format!("redaction key: ok, {known}"))?;
    forwarders(&setting.configuration.sinks)?;
    output::line(&format!("sinks: ok, {} of them", setting.configuration.sinks.len()))?;
    let reaching = Reaching::of(&setting.configuration)?;
    output::line(&format!("routes, heartbeats and scheduled reports: ok, {} of them", reaching.len()))?;
    output::line(&format!("issuer of tokens: {}", issuer(setting).await?))?;
    Ok(ExitCode::SUCCESS)
}

async fn brokers(setting: &Setting) -> anyhow::Result<String> {
    let config = setting.configuration.kafka.clone();
    if config.brokers.is_empty() {
        return Ok("not configured".into());
    }
    let topics = tokio::task::spawn_blocking(move || probe(&config)).await??;
    let partitions: usize = topics.iter().map(|topic| topic.partitions).sum();
    Ok(format!("ok, {} topics with {partitions} partitions", topics.len()))
}

async fn issuer(setting: &Setting) -> anyhow::Result<String> {
    let Some(issuer) = setting.configuration.oidc.issuer()? else { return Ok("not configured".into()) };
    let keys = issuer.probe().await.context("asking the issuer for its keys")?;
    Ok(format!("ok, it publishes {keys} keys that tokens can be checked with"))
}

async fn storage(setting: &Setting) -> anyhow::Result<String> {
    let url = setting.configuration.lake();
    match Lake::open(url, Access::Read).await {
        Ok(lake) => Ok(format!("{url} holds records up to seq {}", lake.snapshot().await?.highest_seq())),
        Err(LakeError::Absent(_)) => {
            let folder =
                std::path::absolute(url.trim_start_matches("file://")).context("finding the place of the lake")?;
            can_be_created(&folder)?;
            Ok(format!("{url} is not there yet and can be created"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes and removes a file in the nearest folder that exists.
fn can_be_created(folder: &Path) -> anyhow::Result<()> {
    let Some(present) = folder.ancestors().find(|ancestor| ancestor.is_dir()) else {
        bail!("no folder above {folder:?} exists");
    };
    let probe = present.join(format!(".credwatch-check-{}", std::process::id()));
    std::fs::write(&probe, b"").with_context(|| format!("the folder {present:?} cannot be written to"))?;
    std::fs::remove_file(&probe).with_context(|| format!("removing {probe:?}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probing_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        can_be_created(&folder.path().join("a/b/lake")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
