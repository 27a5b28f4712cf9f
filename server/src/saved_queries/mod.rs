//! Statements that an org's people keep under a name, and run with values of the day: the book of them, and its routes.

mod kept;
pub(crate) mod routes;
#[cfg(test)]
mod tests;

pub use kept::{Draft, SaveError, SavedQueries, SavedQuery};
pub use routes::Listed;
