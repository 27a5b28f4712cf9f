//! Texts that would make a tree too deep to be taken apart on the stack: parsers build long chains of operators in a loop,
//! and nothing but their length bounds them. Brackets have a limit of the parser's own. Pure.

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, PostgreSqlDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Operators in a row.
pub(crate) const LONGEST_CHAIN: usize = 2_000;

/// Whether the text, as our own parser reads it, has a chain that is too long. What it cannot read has none.
pub(crate) fn is_too_long(sql: &str) -> bool {
    longest(sql, &GenericDialect {}).is_some_and(|chain| chain > LONGEST_CHAIN)
}

/// Whether every parser may read the text: each sees other words in it.
pub(crate) fn is_short_for_all(sql: &str) -> bool {
    let dialects: [&dyn Dialect; 2] = [&GenericDialect {}, &PostgreSqlDialect {}];
    dialects.iter().all(|dialect| longest(sql, *dialect).is_some_and(|chain| chain <= LONGEST_CHAIN))
}

/// `None` where it cannot be read at all. A comma begins a new chain where its list began; what stands in brackets goes on
/// behind them; queries that are put together are one chain whatever stands between.
fn longest(sql: &str, dialect: &dyn Dialect) -> Option<usize> {
    let tokens = Tokenizer::new(dialect, sql).tokenize().ok()?;
    let (mut lists, mut chain, mut longest, mut queries) = (vec![0_usize], 0_usize, 0_usize, 0_usize);
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket => lists.push(chain),
            Token::RParen | Token::RBracket if lists.len() > 1 => drop(lists.pop()),
            Token::Comma => chain = lists.last().copied().unwrap_or(0),
            Token::Word(word) if OF_QUERIES.contains(&word.keyword) => queries += 1,
            Token::Word(word) if OF_VALUES.contains(&word.keyword) => chain += 1,
            Token::Word(_) | Token::Number(..) | Token::Whitespace(_) | Token::Placeholder(_) => {}
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::NationalStringLiteral(_) => {}
            Token::Period | Token::SemiColon | Token::EOF | Token::RParen | Token::RBracket => {}
            _ => chain += 1,
        }
        longest = longest.max(chain);
    }
    Some(longest.max(queries))
}

const OF_QUERIES: [Keyword; 6] =
    [Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT, Keyword::MINUS, Keyword::PIVOT, Keyword::UNPIVOT];

const OF_VALUES: [Keyword; 19] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::XOR,
    Keyword::NOT,
    Keyword::IS,
    Keyword::IN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::RLIKE,
    Keyword::REGEXP,
    Keyword::SIMILAR,
    Keyword::MEMBER,
    Keyword::OVERLAPS,
    Keyword::NOTNULL,
    Keyword::BETWEEN,
    Keyword::COLLATE,
    Keyword::AT,
    Keyword::DIV,
    Keyword::OPERATOR,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with `link` in it three thousand times over.
    fn with(begin: &str, link: &str, end: &str) -> String {
        [begin, &link.repeat(3_000), end].concat()
    }

    #[test]
    fn a_chain_is_counted_wherever_it_hides() {
        let level = ["1+".repeat(100).as_str(), "1)"].concat();
        for chain in [
            with("SELECT ", "1+", "1"),
            with("SELECT ", "1 OR ", "1"),
            with("SELECT 'a' ", "RLIKE 'a' ", ""),
            with("SELECT 1 ", "MINUS SELECT 1, 2 ", ""),
            with("SELECT x", "::text", ""),
            ["SELECT ", &"(".repeat(30), &level.repeat(30)].concat(),
        ] {
            assert!(is_too_long(&chain), "{}", &chain[..40]);
        }
        assert!(!is_short_for_all(&with("SELECT 1 ~` ", "1+", "1 `")), "another parser sees it");
    }

    #[test]
    fn long_lists_are_no_chains() {
        for list in [
            with("SELECT * FROM events WHERE status IN (", "-1, ", "0)"),
            with("SELECT * FROM (VALUES ", "('x'::text), ", "('x'::text)) AS t"),
            with("SELECT * FROM events WHERE path = ANY (ARRAY[", "'y'::text, ", "'x'])"),
        ] {
            assert!(!is_too_long(&list) && is_short_for_all(&list), "{}", &list[..60]);
        }
    }
}
