//! `credwatch rejects list`: which records did not become events, and why.

use std::process::ExitCode;

use credwatch_query::Params;

use crate::commands::sql::answer;
use crate::setting::Setting;

pub(crate) async fn list(setting: &Setting, limit: u32) -> anyhow::Result<ExitCode> {
    let lake = setting.lake_to_read().await?;
    let statement = format!(
        "SELECT ingest_time, reason, detail, org_id, source, kafka_topic, kafka_partition, kafka_offset, kafka_index \
         FROM rejects ORDER BY seq DESC LIMIT {limit}"
    );
    answer(setting, &lake, setting.format, &statement, Params::None).await?;
    Ok(ExitCode::SUCCESS)
}
