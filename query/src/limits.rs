//! What one statement may cost.

use std::time::Duration;

/// Every limit is hard: a statement that reaches one ends in an error that names it, never in a shorter answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock, from the call to the last row.
    pub time: Duration,
    /// Of everything that the plan holds at once. Nothing is spilled to disk.
    pub memory_bytes: usize,
    /// Rows of the answer.
    pub rows: usize,
    /// Bytes of the answer, in memory.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory_bytes: 1 << 30, rows: 1_000_000, bytes: 512 << 20 }
    }
}
