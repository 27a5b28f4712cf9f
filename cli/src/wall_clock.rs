//! The one place where the commands read the clock. Everything below takes the time as an argument.

use credwatch_schemas::time::Micros;

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is a shell: it reads the clock so that others need not"
)]
pub(crate) fn now() -> Micros {
    Micros(chrono::Utc::now().timestamp_micros())
}
