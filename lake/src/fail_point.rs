//! Named steps at which a test may make the whole process die, as if somebody had pulled the plug.
//!
//! Without the feature `failpoints` (no release has it) [`reach`] is nothing. With it, a step configured as
//! `NAME=return` (or `3*off->return`) sends SIGKILL to the process: no destructor runs and nothing is flushed.

/// Passes the step `name`, or dies there.
pub fn reach(name: &str) {
    // Where fail points are not compiled in, the line below is nothing and these would count as unused.
    let _ = (name, die as fn());
    fail::fail_point!(name, |_| die());
}

/// Whether a test has switched `name` on (`NAME=return`): for what would take minutes otherwise.
pub fn is_on(name: &str) -> bool {
    let _ = name;
    fail::fail_point!(name, |_| true);
    false
}

fn die() {
    let own_id = std::process::id().to_string();
    // A signal to oneself needs `unsafe` in Rust; the shell's tool does the same. If it is missing, abort comes close.
    let sent = std::process::Command::new("kill").args(["-9", &own_id]).status();
    if sent.is_ok() {
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
    std::process::abort();
}
