//! An answer written batch by batch, so that a long one is never held whole: as text (CSV, JSON, NDJSON) or as columns
//! (Arrow IPC stream, Parquet). A table for people needs all rows before its first line, so it is not written here.

mod columns;
mod text;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use credwatch_query::format::OutputFormat;
use thiserror::Error;

use columns::{ArrowPieces, ParquetPieces};
use text::{AnswerText, Text};

/// The shapes of an answer that need not be whole before it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    Csv,
    Json,
    Ndjson,
    Arrow,
    Parquet,
}

/// An answer could not be put into its shape.
#[derive(Debug, Error)]
pub enum ShapeError {
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// The pieces of one answer: ask for [`Self::batch`] as often as there are batches, then once for [`Self::end`].
#[derive(Debug)]
pub struct Answer(Pieces);

#[derive(Debug)]
enum Pieces {
    Text(AnswerText),
    Arrow(Box<ArrowPieces>),
    Parquet(Box<ParquetPieces>),
}

impl Streamed {
    /// `None` is the table for people.
    pub fn of(format: OutputFormat) -> Option<Self> {
        match format {
            OutputFormat::Table => None,
            OutputFormat::Csv => Some(Self::Csv),
            OutputFormat::Json => Some(Self::Json),
            OutputFormat::Ndjson => Some(Self::Ndjson),
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => OutputFormat::Csv.content_type(),
            Self::Json => OutputFormat::Json.content_type(),
            Self::Ndjson => OutputFormat::Ndjson.content_type(),
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

impl Answer {
    pub fn new(shape: Streamed, schema: SchemaRef) -> Result<Self, ShapeError> {
        Ok(Self(match shape {
            Streamed::Csv => Pieces::Text(AnswerText::new(Text::Csv, schema)?),
            Streamed::Json => Pieces::Text(AnswerText::new(Text::Json, schema)?),
            Streamed::Ndjson => Pieces::Text(AnswerText::new(Text::Ndjson, schema)?),
            Streamed::Arrow => Pieces::Arrow(Box::new(ArrowPieces::new(&schema)?)),
            Streamed::Parquet => Pieces::Parquet(Box::new(ParquetPieces::new(schema)?)),
        }))
    }

    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ShapeError> {
        match &mut self.0 {
            Pieces::Text(text) => Ok(text.batch(batch)?),
            Pieces::Arrow(pieces) => pieces.batch(batch),
            Pieces::Parquet(pieces) => pieces.batch(batch),
        }
    }

    pub fn end(self) -> Result<Vec<u8>, ShapeError> {
        match self.0 {
            Pieces::Text(mut text) => Ok(text.end()),
            Pieces::Arrow(pieces) => pieces.end(),
            Pieces::Parquet(pieces) => pieces.end(),
        }
    }
}
