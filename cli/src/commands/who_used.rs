//! `credwatch who-used ID`: who used a token, connection or credential, when, from where and what for.

use std::process::ExitCode;

use credwatch_query::format::write;
use credwatch_query::{Given, Limits, Session};
use credwatch_server::who_used::{STATEMENT, who_used};

use crate::output;
use crate::plain_text::one_line;
use crate::setting::Setting;

pub(crate) async fn run(setting: &Setting, id: &str) -> anyhow::Result<ExitCode> {
    let rows = match setting.server()? {
        Some(server) => server.columns(STATEMENT, &Given::Positional(vec![id.into()])).await?.1,
        None => {
            let snapshot = setting.lake_to_read().await?.snapshot().await?;
            who_used(&Session::open(&snapshot, setting.scope.clone(), Limits::default())?, id).await?
        }
    };
    match rows.iter().find(|batch| batch.num_rows() > 0) {
        Some(first) => output::write(&write(setting.format, &first.schema(), &rows)?)?,
        None => eprintln!(
            "{}",
            one_line(&format!(
                "no event names {id:?} as its token_fp, refresh_token_fp, connection_id or credential_id; a token is known by its fingerprint, never by itself"
            ))
        ),
    }
    Ok(ExitCode::SUCCESS)
}
