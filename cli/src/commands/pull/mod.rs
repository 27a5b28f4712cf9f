//! `credwatch pull`: the reference client. Page by page from a server to a file or to stdout.
//!
//! After each page: the rows are on disk, then the place is. Killed in between, the next run cuts the file back to the
//! length that the place names and pulls the same rows again, so each is there once. On stdout nothing can be cut back:
//! there a row comes at least once.

mod destination;
mod place;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::Instant;

use crate::args::{Pull, misuse};
use crate::error_chain::story;
use crate::running::Stop;
use crate::setting::Setting;
use destination::Destination;
use place::{Kept, Place, What};
use server::{Answer, Server};

/// So long a server may be away before a run that is to end gives up.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) async fn run(setting: &Setting, asked: Pull) -> anyhow::Result<ExitCode> {
    let what = What::of(&asked, setting);
    let server = Server::new(&asked, setting)?;
    let mut stop = Stop::listen()?;
    let mut pulling = Pulling::begin(&asked, what)?;
    let ended = tokio::select! {
        ended = pulling.pull(&server, &asked) => ended,
        () = stop.asked() => Ok(()),
    };
    eprintln!("pulled {} rows", pulling.rows);
    ended.map(|()| ExitCode::SUCCESS)
}

struct Pulling {
    destination: Destination,
    place: Place,
    kept: Option<Kept>,
    rows: usize,
}

impl Pulling {
    fn begin(asked: &Pull, what: What) -> anyhow::Result<Self> {
        let to_stdout = asked.out.as_os_str() == "-";
        let beside = || (!to_stdout).then(|| PathBuf::from(format!("{}.pull-state", asked.out.display())));
        let kept = asked.state.clone().or_else(beside).map(Kept::at).transpose()?;
        let known = kept.as_ref().map(Kept::read).transpose()?.flatten();
        if let Some(place) = known.as_ref().filter(|place| place.what != what) {
            return Err(misuse(format!("the state was made for {}; name another state for {what}", place.what)).into());
        }
        let bytes = known.as_ref().map(|place| place.bytes);
        let (destination, bytes) = match to_stdout {
            true => (Destination::Stdout, bytes.unwrap_or(0)),
            false => Destination::open(&asked.out, bytes)?,
        };
        let place = Place { what, cursor: known.and_then(|place| place.cursor), bytes };
        // Before the first row, so that a file is never longer than its state can explain.
        kept.as_ref().map_or(Ok(()), |kept| kept.write(&place)).context("writing the state")?;
        Ok(Self { destination, place, kept, rows: 0 })
    }

    /// Until everything is there, or for good.
    async fn pull(&mut self, server: &Server, asked: &Pull) -> anyhow::Result<()> {
        let (mut pause, mut last_answer) = (Duration::from_millis(200), Instant::now());
        loop {
            match server.page(self.place.cursor.as_deref()).await? {
                Answer::Page { rows, cursor, has_more } => {
                    (pause, last_answer) = (Duration::from_millis(200), Instant::now());
                    self.keep(&rows, cursor)?;
                    if !has_more && !asked.follow {
                        return Ok(());
                    }
                }
                Answer::Removed { oldest } if asked.past_removed => {
                    eprintln!("rows behind the place were removed; going on with what is left");
                    self.keep(b"", oldest)?;
                }
                Answer::Removed { .. } => {
                    bail!(
                        "rows behind the place were removed before they were pulled; --past-removed goes on with what is left"
                    )
                }
                Answer::Later { why, after } => {
                    if !asked.follow && last_answer.elapsed() > PATIENCE {
                        return Err(why.context("pulling"));
                    }
                    eprintln!("waiting: {}", story(&why));
                    tokio::time::sleep(after.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Rows first, then the place behind them.
    fn keep(&mut self, rows: &[u8], cursor: String) -> anyhow::Result<()> {
        self.destination.append(rows).context("writing rows")?;
        credwatch_lake::fail_point::reach("pull-after-rows");
        self.rows += rows.iter().filter(|byte| **byte == b'\n').count();
        self.place.bytes += rows.len() as u64;
        let has_moved = self.place.cursor.as_ref() != Some(&cursor);
        self.place.cursor = Some(cursor);
        if let Some(kept) = self.kept.as_ref().filter(|_| has_moved) {
            kept.write(&self.place).context("writing the state")?;
        }
        credwatch_lake::fail_point::reach("pull-after-place");
        Ok(())
    }
}
