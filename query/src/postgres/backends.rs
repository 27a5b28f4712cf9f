//! The connections of whoever asks: what is said of each, and how one is stopped. A session knows no server, so whoever
//! has connections says by [`Backends`] what they are.

use std::fmt;

use credwatch_schemas::time::Micros;

/// A connection as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// What it is called by where it is to be stopped.
    pub number: i32,
    /// What its client calls itself.
    pub application: String,
    pub began: Micros,
    /// The statement that runs on it, or the last that did.
    pub statement: Option<Stated>,
}

/// A statement on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    pub text: String,
    pub began: Micros,
    pub is_running: bool,
}

/// What of a connection is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// What it runs.
    Statement,
    /// What it runs, and itself.
    Connection,
}

/// The connections of one asker. Of others' it tells nothing, and stops none.
pub trait Backends: fmt::Debug + Send + Sync {
    /// The connection that asks.
    fn own(&self) -> i32;

    /// All of the asker's, by number.
    fn all(&self) -> Vec<Backend>;

    /// Whether the asker has such a connection; then it is stopped.
    fn stop(&self, number: i32, what: Stop) -> bool;
}

#[cfg(test)]
#[path = "backends_tests.rs"]
mod tests;
