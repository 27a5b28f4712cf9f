//! `credwatch export test|skip SINK`: whether a sink takes a row before it is relied on, and what to do about a row that it
//! will never take. It works on the lake's files, so whoever runs it is the operator.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use credwatch_server::push::{Forwarder, Skipped};

use crate::args::Export;
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Export) -> anyhow::Result<ExitCode> {
    match asked {
        Export::Test { sink } => test(&named(setting, &sink)?).await?,
        Export::Skip { sink, to } => skip(setting, &named(setting, &sink)?, to).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn named(setting: &Setting, name: &str) -> anyhow::Result<Forwarder> {
    match setting.configuration.sinks.iter().find(|sink| sink.name == name) {
        Some(sink) => Ok(sink.forwarder()?),
        None => bail!("no sink is named {name:?} in the configuration"),
    }
}

async fn test(sink: &Forwarder) -> anyhow::Result<()> {
    let name = sink.name();
    sink.test(now()).await.map_err(|why| anyhow!("the sink {name:?} did not take a row: {why}"))?;
    eprintln!("the sink {name:?} took one row of the kind credwatch.export_test");
    Ok(())
}

async fn skip(setting: &Setting, sink: &Forwarder, to: i64) -> anyhow::Result<()> {
    let (name, lake) = (sink.name(), setting.lake_to_judge().await?);
    match sink.skip(&lake, to, now()).await? {
        Skipped::Left(from, to) => eprintln!("{name:?} will not be sent rows from seq {from} to {to}"),
        Skipped::Nothing(position) => eprintln!("{name:?} is at seq {position} already; nothing was left out"),
        Skipped::Beyond(head) => {
            bail!("the stream of {name:?} ends at seq {head}: what is not there yet cannot be left out")
        }
    }
    Ok(())
}
