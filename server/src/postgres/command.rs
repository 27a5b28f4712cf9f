//! From a text to what is asked: statements that read, and those that only tell the connection something. Pure.

use credwatch_query::may_be_read;
use datafusion::sql::sqlparser::ast::{CloseCursor, DiscardObject, Expr, Reset, Set, Statement, Value};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Whatever is none of the others; whether it may run is decided where it is planned.
    Read(String),
    Begin,
    Commit,
    Rollback,
    /// Back to a savepoint: the transaction goes on, also after an error.
    RollbackTo,
    /// `None`: set back to what holds by itself.
    Set {
        name: String,
        value: Option<String>,
    },
    Reset,
    /// As if the connection had just begun.
    Discard,
    Show(String),
    /// Forget a prepared statement, or all.
    Deallocate(Option<String>),
    /// Asks for nothing that there is here; answered with Postgres' word for it.
    Nothing(&'static str),
}

impl Command {
    pub(super) fn ends_a_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback)
    }

    /// Whether it is heard within a transaction that has failed.
    pub(super) fn ends_a_failure(&self) -> bool {
        self.ends_a_transaction() || *self == Self::RollbackTo
    }
}

/// The commands of a text, in order. What cannot be read stays as it is.
pub(super) fn commands(text: &str) -> Vec<Command> {
    if !may_be_read(text) {
        return vec![Command::Read(text.to_owned())];
    }
    match Parser::parse_sql(&PostgreSqlDialect {}, text) {
        Err(_) => vec![Command::Read(text.to_owned())],
        Ok(statements) => match <[Statement; 1]>::try_from(statements) {
            Ok([only]) => vec![command(&only, text)],
            Err(statements) => statements.iter().map(|one| command(one, &one.to_string())).collect(),
        },
    }
}

fn command(statement: &Statement, text: &str) -> Command {
    match statement {
        Statement::StartTransaction { .. } => Command::Begin,
        Statement::Commit { .. } => Command::Commit,
        Statement::Rollback { savepoint: None, .. } => Command::Rollback,
        Statement::Rollback { .. } => Command::RollbackTo,
        Statement::Savepoint { .. } => Command::Nothing("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => Command::Nothing("RELEASE"),
        Statement::Discard { object_type: DiscardObject::ALL } => Command::Discard,
        Statement::Discard { .. } => Command::Nothing("DISCARD"),
        Statement::UNLISTEN { .. } => Command::Nothing("UNLISTEN"),
        Statement::Close { cursor: CloseCursor::All } => Command::Nothing("CLOSE CURSOR ALL"),
        Statement::Deallocate { name, .. } if name.value.eq_ignore_ascii_case("all") => Command::Deallocate(None),
        Statement::Deallocate { name, .. } => Command::Deallocate(Some(name.value.clone())),
        Statement::Reset(reset) => match &reset.reset {
            Reset::ALL => Command::Reset,
            Reset::ConfigurationParameter(name) => Command::Set { name: name.to_string(), value: None },
        },
        Statement::ShowVariable { variable } => {
            let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
            Command::Show(shown(&words.join("_")))
        }
        Statement::Set(set) => setting(set).unwrap_or_else(|| Command::Read(text.to_owned())),
        _ => Command::Read(text.trim().trim_end_matches(';').to_owned()),
    }
}

fn shown(name: &str) -> String {
    match name {
        "time_zone" => "timezone".to_owned(),
        "transaction_isolation_level" => "transaction_isolation".to_owned(),
        other => other.to_owned(),
    }
}

fn setting(set: &Set) -> Option<Command> {
    match set {
        Set::SingleAssignment { variable, values, .. } => {
            let value = values.iter().map(written).collect::<Vec<_>>().join(", ");
            let value = Some(value).filter(|value| !value.eq_ignore_ascii_case("default"));
            Some(Command::Set { name: variable.to_string(), value })
        }
        Set::SetTimeZone { value, .. } => {
            Some(Command::Set { name: "timezone".to_owned(), value: Some(written(value)) })
        }
        Set::SetNames { charset_name, .. } => {
            Some(Command::Set { name: "client_encoding".to_owned(), value: Some(charset_name.value.clone()) })
        }
        // Every transaction here only reads, and sees what is committed.
        Set::SetTransaction { .. } => Some(Command::Nothing("SET")),
        _ => None,
    }
}

fn written(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(word) => word.value.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Command {
        Command::Set { name: name.into(), value: Some(value.into()) }
    }

    #[test]
    fn a_statement_that_reads_stays_as_it_was_written() {
        let text = "select  count(*)\nfrom events -- all";
        assert_eq!(commands(text), [Command::Read(text.into())]);
        assert_eq!(commands("select 1;"), [Command::Read("select 1".into())]);
        assert_eq!(commands("selec 1"), [Command::Read("selec 1".into())]);
        assert_eq!(commands("DROP TABLE events"), [Command::Read("DROP TABLE events".into())]);
    }

    #[test]
    fn what_drivers_say_about_transactions_and_settings_is_understood() {
        assert_eq!(commands("BEGIN"), [Command::Begin]);
        assert_eq!(commands("begin transaction read only isolation level repeatable read"), [Command::Begin]);
        assert_eq!(commands("COMMIT"), [Command::Commit]);
        assert_eq!(commands("ROLLBACK"), [Command::Rollback]);
        assert_eq!(commands("SET extra_float_digits = 3"), [set("extra_float_digits", "3")]);
        assert_eq!(
            commands("SET application_name = 'PostgreSQL JDBC Driver'"),
            [set("application_name", "PostgreSQL JDBC Driver")]
        );
        assert_eq!(commands("SET TIME ZONE 'UTC'"), [set("timezone", "UTC")]);
        assert_eq!(commands("SHOW TRANSACTION ISOLATION LEVEL"), [Command::Show("transaction_isolation".into())]);
        assert_eq!(commands("SHOW search_path"), [Command::Show("search_path".into())]);
        assert_eq!(commands("SET search_path TO DEFAULT"), [Command::Set { name: "search_path".into(), value: None }]);
        assert_eq!(commands("DISCARD ALL"), [Command::Discard]);
        assert_eq!(commands("DEALLOCATE ALL"), [Command::Deallocate(None)]);
        assert_eq!(commands("DEALLOCATE \"p1\""), [Command::Deallocate(Some("p1".into()))]);
    }

    #[test]
    fn several_come_one_after_the_other() {
        let reset = "CLOSE ALL;\nUNLISTEN *;\nRESET ALL;";
        assert_eq!(
            commands(reset),
            [Command::Nothing("CLOSE CURSOR ALL"), Command::Nothing("UNLISTEN"), Command::Reset]
        );
        assert_eq!(commands("BEGIN; SELECT 1; COMMIT").len(), 3);
        assert_eq!(commands(" ; "), []);
    }
}
