//! `credwatch notify test|preview|skip`: whether people are reached before it is relied on, what they would have been told, and
//! what to do about a message that nobody will ever take. It works on the lake's files, so whoever runs it is the operator.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use credwatch_schemas::time::Micros;
use credwatch_server::notices::{Message, Route, preview};
use serde_json::json;

use crate::args::{Format, Notify};
use crate::output;
use crate::reaching::Reaching;
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Notify, format: Format) -> anyhow::Result<ExitCode> {
    let reaching = Reaching::of(&setting.configuration)?;
    match asked {
        Notify::Test { name } => test(setting, &reaching, &name).await?,
        Notify::Preview { route, from, to } => {
            let told = told(setting, &reaching, route.as_deref(), (from, to)).await?;
            show(&told, format)?;
        }
        Notify::Skip { route, notice } => skip(setting, &reaching, (&route, &notice)).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn named<'a>(reaching: &'a Reaching, name: &str) -> anyhow::Result<&'a Route> {
    let is_it = |route: &&Route| route.name() == name || route.name().split('@').next() == Some(name);
    reaching.routes.iter().find(is_it).ok_or_else(|| anyhow!("no route is named {name:?} in the configuration"))
}

async fn test(setting: &Setting, reaching: &Reaching, name: &str) -> anyhow::Result<()> {
    if let Some(schedule) = reaching.schedules.iter().find(|schedule| schedule.name() == name) {
        let lake = setting.lake_to_judge().await?;
        schedule.test(&lake, now()).await.map_err(|why| anyhow!("the report {name:?} was not delivered: {why}"))?;
        eprintln!("the report {name:?} was delivered");
        return Ok(());
    }
    let route = named(reaching, name)?;
    route.test(now()).await.map_err(|why| anyhow!("the route {name:?} did not take a message: {why}"))?;
    eprintln!("the route {name:?} took a message");
    Ok(())
}

async fn told(
    setting: &Setting,
    reaching: &Reaching,
    route: Option<&str>,
    (from, to): (Micros, Micros),
) -> anyhow::Result<Vec<Message>> {
    if to <= from {
        bail!("--to lies behind --from");
    }
    let snapshot = setting.lake_to_read().await?.snapshot().await?;
    let routes: Vec<&Route> = match route {
        Some(name) => vec![named(reaching, name)?],
        None => reaching.routes.iter().filter(|route| route.tells_of_findings()).collect(),
    };
    let mut told = Vec::new();
    for route in routes {
        told.extend(preview(route, &snapshot, from, to).await?);
    }
    told.sort_by_key(|message| message.made_time);
    Ok(told)
}

fn show(told: &[Message], format: Format) -> anyhow::Result<()> {
    if matches!(format, Format::Json | Format::Ndjson) {
        let lines: Vec<String> = told.iter().map(|message| json!(message).to_string()).collect();
        return Ok(lines.iter().try_for_each(|line| output::line(line))?);
    }
    for message in told {
        output::line(&format!("{}  {}  [{}] {}", message.made_time, message.route, message.severity, message.title))?;
        let text = message.text();
        text.lines().try_for_each(|line| output::line(&format!("    {line}")))?;
    }
    eprintln!("{} messages would have been sent", told.len());
    Ok(())
}

async fn skip(setting: &Setting, reaching: &Reaching, (name, notice): (&str, &str)) -> anyhow::Result<()> {
    let lake = setting.lake_to_judge().await?;
    let skipped = match reaching.schedules.iter().find(|schedule| schedule.name() == name) {
        Some(schedule) => schedule.skip(&lake, notice, now()).await?,
        None => named(reaching, name)?.skip(&lake, notice, now()).await?,
    };
    if !skipped {
        bail!("no message {notice:?} of {name:?} is unsent");
    }
    eprintln!("{notice} of {name:?} is given up");
    Ok(())
}
