//! Words that Tab completes: tables, their columns, and the words of SQL that people type most.

use std::collections::BTreeSet;

use credwatch_query::TableInfo;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper, Result};

const OF_SQL: [&str; 34] = [
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "COUNT",
    "CROSS",
    "DATE_TRUNC",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXPLAIN",
    "FROM",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INTERVAL",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "SELECT",
    "UNION",
    "WHERE",
    "WITH",
];
/// Shown at once; more help nobody.
const MOST: usize = 100;

#[derive(Debug)]
pub(super) struct Words(BTreeSet<String>);

impl Words {
    pub(super) fn of(tables: &[TableInfo]) -> Self {
        let names = tables.iter().map(|table| table.name.clone());
        let columns = tables.iter().flat_map(|table| table.schema.fields().iter().map(|field| field.name().clone()));
        Self(names.chain(columns).chain(OF_SQL.map(str::to_owned)).collect())
    }

    /// Where the word under the cursor begins, and what it could become. Words of SQL follow the case that is typed.
    fn at(&self, line: &str) -> (usize, Vec<String>) {
        let is_of_a_word = |one: char| one.is_alphanumeric() || one == '_';
        let begin = line
            .rfind(|one| !is_of_a_word(one))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let typed = &line[begin..];
        if typed.is_empty() {
            return (begin, Vec::new());
        }
        let fits = |word: &&String| {
            word.len() > typed.len()
                && word.is_char_boundary(typed.len())
                && word[..typed.len()].eq_ignore_ascii_case(typed)
        };
        let is_small = typed.chars().all(|one| !one.is_uppercase());
        let cased = |word: &String| if is_small { word.to_lowercase() } else { word.clone() };
        (begin, self.0.iter().filter(fits).map(cased).take(MOST).collect())
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, place: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        Ok(self.at(&line[..place]))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn words() -> Words {
        let schema = Schema::new(vec![Field::new("dest_host", DataType::Utf8, true)]);
        Words::of(&[TableInfo { name: "events".into(), schema: Arc::new(schema) }])
    }

    #[test]
    fn tables_columns_and_words_of_sql_are_completed_where_the_cursor_stands() {
        assert_eq!(words().at("SELECT de"), (7, vec!["desc".to_owned(), "dest_host".to_owned()]));
        assert_eq!(words().at("select count(*) from ev"), (21, vec!["events".to_owned()]));
        assert_eq!(words().at("SEL"), (0, vec!["SELECT".to_owned()]));
        assert_eq!(words().at("sel"), (0, vec!["select".to_owned()]));
        assert_eq!(words().at("SELECT "), (7, Vec::new()));
        assert_eq!(words().at("SELECT 'ä"), (8, Vec::new()));
    }
}
