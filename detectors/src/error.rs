//! What can stop a tick. What goes wrong with one detector does not: it is that detector's outcome.

use credwatch_lake::LakeError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use thiserror::Error;

use crate::registry::RegistryError;

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    #[error("reach the lake")]
    Lake(#[from] LakeError),
    #[error("read the files")]
    Registry(#[from] RegistryError),
    #[error("{doing}")]
    Query { doing: &'static str, source: Box<DataFusionError> },
    #[error("{doing}")]
    Rows { doing: &'static str, source: ArrowError },
    #[error("keep \"{table}\": {what}")]
    Store { table: String, what: String },
    #[error("write to the lake: lost against other writers {0} times in a row")]
    Contention(u32),
    #[error("activate \"{0}\": no such detector is known here")]
    UnknownDetector(String),
    #[error("run the story \"{story}\": {what}")]
    Story { story: String, what: String },
}

/// Names what was being done when a foreign error came.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, EngineError>;
}

impl<T> Doing<T> for Result<T, DataFusionError> {
    fn doing(self, doing: &'static str) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Query { doing, source: Box::new(source) })
    }
}

impl<T> Doing<T> for Result<T, ArrowError> {
    fn doing(self, doing: &'static str) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Rows { doing, source })
    }
}

/// An error and its causes in one line.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}
