//! `credwatch`: one binary, one subcommand a role.
//!
//! This room reads the command line, the configuration and the environment, and hands typed values to the others; no
//! other room reads any of them. Data goes to stdout, talk to stderr. Exit codes: 0 ok, 1 failure, 2 usage.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod commands;
mod configuration;
mod conversation;
mod error_chain;
mod finding_source;
mod finding_text;
mod identity;
mod listening;
mod output;
mod plain_text;
mod producing;
mod reaching;
mod remote;
mod running;
mod setting;
mod statements;
mod status_text;
mod upkeep;
mod wall_clock;

/// Judging makes and drops many buffers on many threads: glibc's allocator spent a fifth of the time of `serve` on it, and
/// kept what was freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that wait for files and name servers. Reading many files asks for as many as there may be, and the allocator
/// keeps room for each: with tokio's own 512 a server that only serves pages came to hold gigabytes.
const BLOCKING_THREADS: usize = 16;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    start_log(&arguments.common);
    let _fail_points = fail::FailScenario::setup();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.max_blocking_threads(BLOCKING_THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("credwatch: could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(commands::run(arguments));
    // Blocking work that is still under way (a file being read) must not hold the exit back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match ended {
        Ok(exit) => exit,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Usage that only a command could tell to be wrong ends as clap ends for its own.
fn fail(error: &anyhow::Error) -> ExitCode {
    let Some(misuse) = error.downcast_ref::<clap::Error>() else {
        eprintln!("credwatch: {}", error_chain::story(error));
        return ExitCode::FAILURE;
    };
    eprint!("{}", misuse.render());
    ExitCode::from(2)
}

/// Logs go to stderr; what a person asked for never mixes with them. `RUST_LOG` overrides the level.
fn start_log(common: &args::Common) {
    // The libraries below talk a lot; who wants to hear them asks with RUST_LOG.
    // Of HTTP/2, also what strangers can make them say.
    let default = if common.verbose { "warn,h2=error,credwatch=info" } else { "warn,h2=error" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match common.log_format {
        args::LogFormat::Text => log.with_target(false).init(),
        args::LogFormat::Json => log.json().init(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::args::Arguments::command().debug_assert();
    }
}
