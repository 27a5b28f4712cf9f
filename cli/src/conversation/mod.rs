//! A conversation in SQL: `credwatch sql` without a statement. A person gets a line to edit, a history, completion and
//! commands that begin with a backslash; a script on stdin gets its statements run, up to the first that fails.

mod backslash;
mod completion;

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use credwatch_lake::Lake;
use credwatch_query::format::OutputFormat;
use credwatch_query::{Limits, Params, Session};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::args::Format;
use crate::commands::sql::answer;
use crate::error_chain::story;
use crate::output;
use crate::setting::Setting;
use crate::statements::Statements;
use backslash::{Command, HELP};
use completion::Words;

const PROMPT: &str = "credwatch> ";
const MORE: &str = "        -> ";
/// Lines that are remembered from one conversation to the next.
const LONGEST_HISTORY: usize = 1_000;

pub(crate) async fn converse(setting: &Setting, lake: &Lake) -> anyhow::Result<ExitCode> {
    if std::io::stdin().is_terminal() {
        Conversation::with(setting, lake).await?.go_on().await?;
    } else {
        script(setting, lake).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn script(setting: &Setting, lake: &Lake) -> anyhow::Result<()> {
    let mut statements = Statements::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.context("reading statements from stdin")?;
        if line.trim() == "\\q" {
            return Ok(());
        }
        for statement in statements.line(&line) {
            answer(setting, lake, setting.format, &statement, Params::None).await?;
        }
    }
    match statements.end() {
        Some(last) => answer(setting, lake, setting.format, &last, Params::None).await,
        None => Ok(()),
    }
}

type Line = Editor<Words, DefaultHistory>;

struct Conversation<'a> {
    setting: &'a Setting,
    lake: &'a Lake,
    statements: Statements,
    format: OutputFormat,
    tells_time: bool,
    /// Away while somebody types: that happens on a thread of its own.
    line: Option<Line>,
}

impl<'a> Conversation<'a> {
    async fn with(setting: &'a Setting, lake: &'a Lake) -> anyhow::Result<Self> {
        let snapshot = lake.snapshot().await?;
        let session = Session::open(&snapshot, setting.scope.clone(), Limits::default())?;
        let config = Config::builder().completion_type(CompletionType::List).history_ignore_space(true);
        let config = config.max_history_size(LONGEST_HISTORY)?.build();
        let mut line = Editor::with_config(config).context("setting up the terminal")?;
        line.set_helper(Some(Words::of(session.tables())));
        if let Some(file) = history_file() {
            // There is none before the first conversation.
            line.load_history(&file).unwrap_or_default();
        }
        let (statements, format) = (Statements::default(), setting.format);
        Ok(Self { setting, lake, statements, format, tells_time: false, line: Some(line) })
    }

    async fn go_on(mut self) -> anyhow::Result<()> {
        eprintln!("A statement ends with a semicolon; \\? helps, \\q ends.");
        while let Some(text) = self.next().await? {
            let command = self.statements.is_empty().then(|| Command::parse(&text)).flatten();
            let is_over = match command {
                Some(command) => self.obey(command).await?,
                None => {
                    for statement in self.statements.line(&text) {
                        self.ask(&statement, Params::None).await?;
                    }
                    false
                }
            };
            if is_over {
                break;
            }
        }
        self.remember();
        Ok(())
    }

    /// The next line; `None` at its end. An interrupt takes back what was typed so far.
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            let Some(mut line) = self.line.take() else { return Ok(None) };
            let prompt = if self.statements.is_empty() { PROMPT } else { MORE };
            let typed = tokio::task::spawn_blocking(move || {
                let typed = line.readline(prompt);
                (line, typed)
            });
            let (line, typed) = typed.await.context("reading a line")?;
            let line = self.line.insert(line);
            match typed {
                Ok(text) => {
                    line.add_history_entry(&text).context("remembering a line")?;
                    return Ok(Some(text));
                }
                Err(ReadlineError::Interrupted) => drop(self.statements.end()),
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(error).context("reading a line"),
            }
        }
    }

    /// Whether the conversation is over.
    async fn obey(&mut self, command: Command) -> anyhow::Result<bool> {
        match command {
            Command::Quit => return Ok(true),
            Command::Help => eprint!("{HELP}"),
            Command::Unknown(word) => eprintln!("there is no command {word}; \\? lists them"),
            Command::Tables => self.ask(TABLES, Params::None).await?,
            Command::Table(name) => {
                self.ask(COLUMNS, Params::texts([name.as_str()])).await?;
            }
            Command::Timing => {
                self.tells_time = !self.tells_time;
                eprintln!("timing is {}", if self.tells_time { "on" } else { "off" });
            }
            Command::Format(name) => {
                match <Format as clap::ValueEnum>::from_str(&name, true).ok().and_then(output::of_rows) {
                    Some(format) => self.format = format,
                    None => eprintln!("formats are table, csv, json and ndjson"),
                }
            }
            Command::File(path) => self.read(&path).await?,
        }
        Ok(false)
    }

    async fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("reading {path:?}: {error}");
                return Ok(());
            }
        };
        let mut statements = Statements::default();
        let complete: Vec<String> = text.lines().flat_map(|line| statements.line(line)).collect();
        for statement in complete.into_iter().chain(statements.end()) {
            self.ask(&statement, Params::None).await?;
        }
        Ok(())
    }

    /// A person corrects a statement that failed and goes on, and stops one that takes too long.
    async fn ask(&mut self, statement: &str, params: Params) -> anyhow::Result<()> {
        let begun = Instant::now();
        let answered = tokio::select! {
            answered = answer(self.setting, self.lake, self.format, statement, params) => answered,
            stopped = tokio::signal::ctrl_c() => {
                stopped.context("listening for an interrupt")?;
                eprintln!("stopped");
                return Ok(());
            }
        };
        match answered {
            Err(error) if output::is_broken_pipe(&error) => return Err(error),
            Err(error) => eprintln!("{}", story(&error)),
            Ok(()) => {}
        }
        if self.tells_time {
            eprintln!("time: {}", told(begun.elapsed()));
        }
        Ok(())
    }

    fn remember(&mut self) {
        if let (Some(line), Some(file)) = (&mut self.line, history_file()) {
            let kept = file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::from);
            if let Err(error) = kept.and_then(|()| line.save_history(&file)) {
                tracing::warn!(%error, ?file, "the history could not be kept");
            }
        }
    }
}

const TABLES: &str = "SELECT table_name, table_type, table_comment FROM information_schema.tables ORDER BY table_name";
const COLUMNS: &str = "SELECT column_name, data_type, column_comment FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position";

fn told(took: Duration) -> String {
    match took.as_millis() {
        0..1_000 => format!("{:.1} ms", took.as_secs_f64() * 1_000.0),
        _ => format!("{:.2} s", took.as_secs_f64()),
    }
}

/// Where people's programs keep such things.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("credwatch/sql_history"))
}
