//! What a client lets us keep for it: prepared statements and open portals, by name, and no more than a client needs.

use std::collections::BTreeSet;

use pgwire::api::DEFAULT_NAME;
use pgwire::error::PgWireResult;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::extendedquery::{TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT};

use super::refusal::error;

const MOST_STATEMENTS: usize = 1_000;
const MOST_PORTALS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Kept {
    statements: BTreeSet<String>,
    portals: BTreeSet<String>,
}

impl Kept {
    /// Counts what a message makes us keep or lets us forget; refuses one too many.
    pub(super) fn admit(&mut self, message: &PgWireFrontendMessage) -> PgWireResult<()> {
        use PgWireFrontendMessage as Message;
        match message {
            Message::Parse(parse) => keep(&mut self.statements, named(parse.name.as_ref()), MOST_STATEMENTS),
            Message::Bind(bind) => keep(&mut self.portals, named(bind.portal_name.as_ref()), MOST_PORTALS),
            Message::Close(close) => {
                let name = named(close.name.as_ref());
                match close.target_type {
                    TARGET_TYPE_BYTE_STATEMENT => self.statements.remove(name),
                    TARGET_TYPE_BYTE_PORTAL => self.portals.remove(name),
                    _ => false,
                };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One statement, or all; gives their names.
    pub(super) fn forget(&mut self, name: Option<&str>) -> Vec<String> {
        match name {
            Some(name) => self.statements.take(name).into_iter().collect(),
            None => std::mem::take(&mut self.statements).into_iter().collect(),
        }
    }
}

fn named(name: Option<&String>) -> &str {
    name.map_or(DEFAULT_NAME, String::as_str)
}

fn keep(kept: &mut BTreeSet<String>, name: &str, most: usize) -> PgWireResult<()> {
    if kept.len() >= most && !kept.contains(name) {
        return Err(error("ERROR", "53400", format!("a connection keeps at most {most} of these at once")));
    }
    kept.insert(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use pgwire::messages::extendedquery::{Close, Parse};

    use super::*;

    fn parse(name: usize) -> PgWireFrontendMessage {
        PgWireFrontendMessage::Parse(Parse::new(Some(name.to_string()), "SELECT 1".into(), Vec::new()))
    }

    #[test]
    fn a_client_that_forgets_to_forget_is_stopped_at_a_thousand_and_may_use_names_again() {
        let mut kept = Kept::default();
        for name in 0..MOST_STATEMENTS {
            kept.admit(&parse(name)).unwrap();
        }
        kept.admit(&parse(0)).unwrap();
        assert!(kept.admit(&parse(MOST_STATEMENTS)).is_err());
        let close = Close::new(TARGET_TYPE_BYTE_STATEMENT, Some("7".into()));
        kept.admit(&PgWireFrontendMessage::Close(close)).unwrap();
        kept.admit(&parse(MOST_STATEMENTS)).unwrap();
        assert_eq!(kept.forget(Some("0")), ["0"]);
        assert_eq!(kept.forget(None).len(), MOST_STATEMENTS - 1);
    }
}
