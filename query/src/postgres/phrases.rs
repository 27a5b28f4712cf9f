//! Phrases that clients send as they stand here, in words that the engine can plan and that come to the same.

use std::sync::LazyLock;

use regex::{NoExpand, Regex};

/// A phrase of a client's, however its white space, and what it comes to here.
const PHRASES: [(&str, &str); 8] = [
    // psql's `\d+`: no table has options of storage.
    (
        "pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ')",
        "NULL::text",
    ),
    // Grafana: the search path is `public`.
    (
        "quote_ident(table_schema) IN ( SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END FROM \
         generate_series( array_lower(string_to_array(current_setting('search_path'),','),1), \
         array_upper(string_to_array(current_setting('search_path'),','),1) ) as i, \
         string_to_array(current_setting('search_path'),',') s )",
        "table_schema = 'public'",
    ),
    // Metabase: comments of columns stand beside them.
    (
        "COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(\"c\".\"table_schema\" AS TEXT), CAST(\"c\".\"table_name\" AS TEXT)) AS \
         REGCLASS) AS OID), \"c\".\"ordinal_position\")",
        "\"c\".\"column_comment\"",
    ),
    // DBeaver: functions are called by name here, and no extension has tables.
    ("'pg_catalog.array_in'::regproc", "'array_in'"),
    ("p.oid=a.aggfnoid", "p.proname = replace(a.aggfnoid, 'pg_catalog.', '')"),
    ("unnest(e1.extconfig) oid", "NULL::int oid"),
    // SQLAlchemy 1.4, and with it Superset: a text that stands for a truth.
    ("ix.indisprimary = 'f'", "NOT ix.indisprimary"),
    // JDBC's types: no table here is a composite type.
    ("(SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)", "false"),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = PHRASES.iter().map(|(phrase, here)| Some((however_spaced(phrase)?, *here)));
    patterns.flatten().collect()
});

/// `'pg_class'::regclass`: the library looks for names without a schema among the session's own tables.
static UNQUALIFIED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"'(pg_[a-z_]+)'::(?i:regclass)").ok());

fn however_spaced(phrase: &str) -> Option<Regex> {
    let words: Vec<String> = phrase.split_whitespace().map(regex::escape).collect();
    Regex::new(&words.join(r"\s+")).ok()
}

pub(super) fn said_otherwise(sql: &str) -> String {
    let said = PATTERNS
        .iter()
        .fold(sql.to_owned(), |sql, (phrase, here)| phrase.replace_all(&sql, NoExpand(here)).into_owned());
    match &*UNQUALIFIED {
        Some(name) => name.replace_all(&said, "'pg_catalog.$1'::regclass").into_owned(),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_a_pattern() {
        assert_eq!(PATTERNS.len(), PHRASES.len());
    }

    #[test]
    fn a_phrase_is_met_however_it_is_spaced_and_the_rest_stays() {
        let asked = "SELECT 1 FROM pg_proc p, pg_aggregate a WHERE  p.oid=a.aggfnoid AND 'p.oid' <> ''";
        let said = "SELECT 1 FROM pg_proc p, pg_aggregate a WHERE  p.proname = replace(a.aggfnoid, 'pg_catalog.', '') AND 'p.oid' <> ''";
        assert_eq!(said_otherwise(asked), said);
        let spaced = PHRASES[1].0.replace(' ', "\n\t ");
        assert_eq!(said_otherwise(&spaced), "table_schema = 'public'");
        assert_eq!(said_otherwise("'pg_class'::regclass"), "'pg_catalog.pg_class'::regclass");
    }
}
