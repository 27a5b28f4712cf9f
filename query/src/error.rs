//! Why a statement gave no answer.
//!
//! Every text is fit to be shown to the tenant who asked: it names what they wrote, never a path, another org or
//! anything of the machine. What the operator needs beyond that goes to the log.

use std::time::Duration;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use thiserror::Error;

use crate::limits::Limits;
use crate::near::did_you_mean;

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum QueryError {
    #[error("the statement cannot be read: {0}")]
    Syntax(String),
    #[error("one statement at a time: the text holds {0}")]
    NotOneStatement(usize),
    #[error("the statement has {0} bytes, more than the {1} that are read")]
    TooLong(usize, usize),
    #[error("only statements that read are run: {0} is not one")]
    NotReadOnly(String),
    #[error("there is no table \"{name}\"{near}")]
    UnknownTable { name: String, near: String },
    #[error("there is no column \"{name}\"{near}")]
    UnknownColumn { name: String, near: String },
    #[error("the statement makes no sense: {0}")]
    Invalid(String),
    #[error("parameter {0}")]
    Parameter(String),
    #[error("the statement took longer than {} ms", .0.as_millis())]
    Time(Duration),
    #[error("the statement needs more than {0} bytes of memory")]
    Memory(usize),
    #[error("the answer has more than {0} rows")]
    Rows(usize),
    #[error("the answer has more than {0} bytes")]
    Bytes(usize),
    #[error("the statement failed: {0}")]
    Failed(String),
    #[error("the lake could not be read; the log says why")]
    Storage,
}

impl QueryError {
    /// A word that programs can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "sql.syntax",
            Self::NotOneStatement(_) => "sql.not_one_statement",
            Self::TooLong(..) => "sql.too_long",
            Self::NotReadOnly(_) => "sql.not_read_only",
            Self::UnknownTable { .. } => "sql.unknown_table",
            Self::UnknownColumn { .. } => "sql.unknown_column",
            Self::Invalid(_) => "sql.invalid",
            Self::Parameter(_) => "sql.parameter",
            Self::Time(_) => "limit.time",
            Self::Memory(_) => "limit.memory",
            Self::Rows(_) => "limit.rows",
            Self::Bytes(_) => "limit.bytes",
            Self::Failed(_) => "sql.failed",
            Self::Storage => "lake.storage",
        }
    }

    /// Whether the statement is at fault rather than this side.
    pub fn is_the_callers(&self) -> bool {
        !matches!(self, Self::Storage)
    }

    pub(crate) fn of_planning(error: &DataFusionError, limits: &Limits) -> Self {
        match error.find_root() {
            DataFusionError::SQL(parser, _) => Self::Syntax(one_line(&parser.to_string())),
            DataFusionError::SchemaError(schema, _) => Self::of_schema(schema),
            DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) => Self::Invalid(one_line(text)),
            DataFusionError::Diagnostic(_, inner) => Self::of_planning(inner, limits),
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => Self::of_planning(first, limits),
                None => Self::Invalid("it cannot be planned".to_owned()),
            },
            _ => Self::of_execution(error, limits),
        }
    }

    pub(crate) fn of_execution(error: &DataFusionError, limits: &Limits) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Memory(limits.memory_bytes),
            DataFusionError::ArrowError(arrow, _) if is_of_values(arrow) => Self::Failed(one_line(&arrow.to_string())),
            DataFusionError::Execution(text) | DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) => {
                Self::Failed(one_line(text))
            }
            // The row that it was computed for may be anybody's: what stands in it is not repeated.
            DataFusionError::ParquetError(error) if is_of_a_filter(&error.to_string()) => {
                tracing::warn!(%error, "a filter could not be computed");
                Self::Failed("a value that it compares cannot be read as its functions want it".to_owned())
            }
            root => {
                tracing::error!(error = %root, "a statement could not read the lake");
                Self::Storage
            }
        }
    }

    fn of_schema(error: &SchemaError) -> Self {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => Self::UnknownColumn {
                name: field.flat_name(),
                near: did_you_mean(&field.name, valid_fields.iter().map(|field| field.name.as_str())),
            },
            other => Self::Invalid(one_line(&other.to_string())),
        }
    }
}

/// Whether a file could not be filtered because of what the statement compares.
fn is_of_a_filter(text: &str) -> bool {
    text.contains(OF_A_FILTER) && !text.contains("Internal") && !text.contains("ResourcesExhausted")
}

/// How an error begins that arises while a file is filtered, of which the statement is the cause.
const OF_A_FILTER: &str = "Error evaluating filter predicate";

/// Whether an error is about the values computed with rather than about files.
fn is_of_values(error: &ArrowError) -> bool {
    matches!(
        error,
        ArrowError::CastError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::ParseError(_)
            | ArrowError::InvalidArgumentError(_)
            | ArrowError::NotYetImplemented(_)
    )
}

/// The first line: what comes after it is help for programmers of the engine.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}
