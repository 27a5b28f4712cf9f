//! The weekly report, and checklists, as people read them: Markdown for a terminal, one HTML file for a browser, mail or paper, CSV for a sheet.
//! All of them are made of the document and of nothing else, and say the same figures.
//!
//! Every name in a document comes from events, and whoever writes events may write anything: it stays text in each of these.

mod charts;
mod checklist;
mod csv;
mod html;
mod markdown;
mod words;

pub use checklist::{checklist_csv, checklist_markdown};
pub use csv::csv;
pub use html::html;
pub use markdown::markdown;

#[cfg(test)]
mod tests;
