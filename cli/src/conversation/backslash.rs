//! Commands of a conversation, as psql has them. Pure.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Quit,
    Help,
    Tables,
    Table(String),
    File(PathBuf),
    Timing,
    Format(String),
    Unknown(String),
}

pub(super) const HELP: &str = "  \\d            the tables, and what they are
  \\d NAME       the columns of one
  \\i FILE       runs the statements of a file
  \\timing       says how long each statement took, or stops saying it
  \\format NAME  table, csv, json or ndjson
  \\q            ends
Tab completes; the arrows go through what was typed before; Ctrl-C stops a statement, or takes back what is typed.
";

impl Command {
    /// `None`: the line is SQL.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim().trim_end_matches(';').trim_end();
        match (word.strip_prefix('\\')?, rest) {
            ("q", _) => Some(Self::Quit),
            ("?" | "h", _) => Some(Self::Help),
            ("d" | "dt" | "dv", "") => Some(Self::Tables),
            ("d", name) => Some(Self::Table(name.to_owned())),
            ("i", file) if !file.is_empty() => Some(Self::File(PathBuf::from(file))),
            ("timing", _) => Some(Self::Timing),
            ("format", name) => Some(Self::Format(name.to_owned())),
            _ => Some(Self::Unknown(word.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_backslash_is_a_command_and_the_rest_is_sql() {
        assert_eq!(Command::parse("\\q"), Some(Command::Quit));
        assert_eq!(Command::parse("  \\d  events ; "), Some(Command::Table("events ".trim().into())));
        assert_eq!(Command::parse("\\d"), Some(Command::Tables));
        assert_eq!(Command::parse("\\i a file.sql"), Some(Command::File("a file.sql".into())));
        assert_eq!(Command::parse("\\i"), Some(Command::Unknown("\\i".into())));
        assert_eq!(Command::parse("\\nothing"), Some(Command::Unknown("\\nothing".into())));
        assert_eq!(Command::parse("SELECT '\\q'"), None);
        assert_eq!(Command::parse(""), None);
    }
}
