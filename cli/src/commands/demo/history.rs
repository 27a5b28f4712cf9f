//! What happened before the demo began: ten days of traffic, by the import path.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use credwatch_ingest::import::Importer;
use credwatch_ingest::{Binding, Cut, Decoder, Limits};
use credwatch_simulate::{Plan, write_to};

use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn import(setting: &Setting, plan: Plan, folder: &Path) -> anyhow::Result<()> {
    let file = folder.join("history.ndjson");
    let create = |path: &Path| File::create(path).with_context(|| format!("creating {path:?}"));
    write_to(plan, &mut create(&file)?, &mut create(&folder.join("history.truth.ndjson"))?)
        .with_context(|| format!("writing {file:?}"))?;
    let (lake, key) = setting.lake_to_fill().await?;
    let (decoder, binding) = (Decoder::new(key, Limits::default()), Binding::default());
    let importer = Importer { lake: &lake, decoder: &decoder, binding: &binding, cut: Cut::default() };
    let imported = importer.import(&file, now(), now, |_| {}).await?;
    if imported.rejected > 0 {
        bail!("{} of the simulated events were rejected: this is a fault of this build", imported.rejected);
    }
    eprintln!("history: {} events of {} days", imported.accepted, plan.days);
    Ok(())
}
