//! What a client lets us keep for it: prepared statements, open portals and the rows that portals still have, by name, and
//! no more than a client needs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use pgwire::api::DEFAULT_NAME;
use pgwire::api::results::QueryResponse;
use pgwire::error::PgWireResult;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::extendedquery::{TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT};

use super::refusal::error;

const MOST_STATEMENTS: usize = 1_000;
const MOST_PORTALS: usize = 100;
/// Of texts, and of values.
const MOST_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Kept {
    statements: BTreeMap<String, usize>,
    portals: BTreeMap<String, Portal>,
}

#[derive(Debug, Default)]
struct Portal {
    bytes: usize,
    rows: Rows,
}

/// How far a portal is.
#[derive(Debug, Default)]
pub(super) enum Rows {
    #[default]
    NotBegun,
    /// These are still to come.
    Left(Box<QueryResponse>),
    AllGiven,
}

/// What a message is about, so that it can be taken back when the message fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Statement(String),
    Portal(String),
    Nothing,
}

impl Kept {
    /// Counts what a message makes us keep or lets us forget; refuses one too many.
    pub(super) fn admit(&mut self, message: &PgWireFrontendMessage) -> PgWireResult<Named> {
        use PgWireFrontendMessage as Message;
        match message {
            Message::Parse(parse) => {
                let name = named(parse.name.as_ref());
                let (count, bytes) = (self.statements.len(), self.statements.values().sum::<usize>());
                let is_new = !self.statements.contains_key(&name);
                room(is_new, count, MOST_STATEMENTS, bytes + parse.query.len())?;
                self.statements.insert(name.clone(), parse.query.len());
                Ok(Named::Statement(name))
            }
            Message::Bind(bind) => {
                let name = named(bind.portal_name.as_ref());
                let size = bind.parameters.iter().flatten().map(Bytes::len).sum::<usize>();
                let (count, bytes) =
                    (self.portals.len(), self.portals.values().map(|portal| portal.bytes).sum::<usize>());
                room(!self.portals.contains_key(&name), count, MOST_PORTALS, bytes + size)?;
                self.portals.insert(name.clone(), Portal { bytes: size, rows: Rows::NotBegun });
                Ok(Named::Portal(name))
            }
            Message::Execute(execute) => Ok(Named::Portal(named(execute.name.as_ref()))),
            Message::Close(close) => {
                match close.target_type {
                    TARGET_TYPE_BYTE_STATEMENT => drop(self.statements.remove(&named(close.name.as_ref()))),
                    TARGET_TYPE_BYTE_PORTAL => drop(self.portals.remove(&named(close.name.as_ref()))),
                    _ => {}
                }
                Ok(Named::Nothing)
            }
            _ => Ok(Named::Nothing),
        }
    }

    /// The message about it has failed.
    pub(super) fn take_back(&mut self, what: &Named) {
        match what {
            Named::Statement(name) => drop(self.statements.remove(name)),
            Named::Portal(name) => drop(self.portals.remove(name)),
            Named::Nothing => {}
        }
    }

    /// The rows of a portal; whoever does not use them up puts them back.
    pub(super) fn rows(&mut self, portal: &str) -> Rows {
        self.portals
            .get_mut(portal)
            .map(|portal| std::mem::replace(&mut portal.rows, Rows::AllGiven))
            .unwrap_or_default()
    }

    pub(super) fn put_back(&mut self, portal: &str, rows: Rows) {
        if let Some(portal) = self.portals.get_mut(portal) {
            portal.rows = rows;
        }
    }

    /// Portals last as long as their transaction.
    pub(super) fn close_portals(&mut self) {
        self.portals.clear();
    }

    /// One statement, or all; gives their names.
    pub(super) fn forget(&mut self, name: Option<&str>) -> Vec<String> {
        match name {
            Some(name) => self.statements.remove_entry(name).map(|(name, _)| name).into_iter().collect(),
            None => std::mem::take(&mut self.statements).into_keys().collect(),
        }
    }
}

pub(super) fn named(name: Option<&String>) -> String {
    name.map_or_else(|| DEFAULT_NAME.to_owned(), Clone::clone)
}

fn room(is_new: bool, count: usize, most: usize, bytes: usize) -> PgWireResult<()> {
    if is_new && count >= most {
        return Err(error("ERROR", "53400", format!("a connection keeps at most {most} of these at once")));
    }
    if bytes > MOST_BYTES {
        return Err(error("ERROR", "53400", format!("a connection keeps at most {MOST_BYTES} bytes of these at once")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pgwire::messages::extendedquery::{Close, Parse};

    use super::*;

    fn parse(name: usize, text: &str) -> PgWireFrontendMessage {
        PgWireFrontendMessage::Parse(Parse::new(Some(name.to_string()), text.into(), Vec::new()))
    }

    #[test]
    fn a_client_that_forgets_to_forget_is_stopped_at_a_thousand_and_may_use_names_again() {
        let mut kept = Kept::default();
        for name in 0..MOST_STATEMENTS {
            kept.admit(&parse(name, "SELECT 1")).unwrap();
        }
        kept.admit(&parse(0, "SELECT 1")).unwrap();
        assert!(kept.admit(&parse(MOST_STATEMENTS, "SELECT 1")).is_err());
        let close = Close::new(TARGET_TYPE_BYTE_STATEMENT, Some("7".into()));
        kept.admit(&PgWireFrontendMessage::Close(close)).unwrap();
        let again = kept.admit(&parse(MOST_STATEMENTS, "SELECT 1")).unwrap();
        kept.take_back(&again);
        kept.admit(&parse(MOST_STATEMENTS + 1, "SELECT 1")).unwrap();
        assert_eq!(kept.forget(Some("0")), ["0"]);
        assert_eq!(kept.forget(None).len(), MOST_STATEMENTS - 1);
    }

    #[test]
    fn texts_are_bounded_together() {
        let mut kept = Kept::default();
        let long = "x".repeat(1 << 20);
        for name in 0..4 {
            kept.admit(&parse(name, &long)).unwrap();
        }
        assert!(kept.admit(&parse(4, &long)).is_err());
    }
}
