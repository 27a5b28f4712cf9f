//! Printing: the HTML page, by a Chromium without a window, where there is one.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;
use tokio::time::timeout;

/// As it is called on different machines.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// It takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn printed(page: &str) -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("making a folder to print in")?;
    let (from, to) = (folder.path().join("report.html"), folder.path().join("report.pdf"));
    std::fs::write(&from, page).context("writing the page to print")?;
    let mut options = vec!["--headless".into(), "--disable-gpu".into(), "--no-pdf-header-footer".into()];
    // Nothing on the page leads anywhere; should something, it is not found.
    options.push("--host-resolver-rules=MAP * ~NOTFOUND".to_owned());
    options.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
    options.push(format!("--print-to-pdf={}", to.display()));
    if is_root() {
        // Chromium's own walls cannot be put up by root. The page has no scripts and asks nobody for anything.
        options.push("--no-sandbox".into());
    }
    for name in NAMES {
        let mut chromium = Command::new(name);
        chromium.args(&options).arg(&from).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match timeout(PATIENCE, chromium.kill_on_drop(true).status()).await {
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(ended) => {
                let ended = ended.with_context(|| format!("running {name}"))?;
                return std::fs::read(&to).with_context(|| format!("{name} printed nothing and ended with {ended}"));
            }
            Err(_) => bail!("{name} did not print within {} s", PATIENCE.as_secs()),
        }
    }
    bail!(
        "a PDF is printed by Chromium, and none of {} is installed; --format html can be printed by any browser",
        NAMES.join(", ")
    )
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
