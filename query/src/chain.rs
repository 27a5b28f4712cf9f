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

    #[test]
    fn a_chain_is_counted_wherever_it_hides() {
        for chain in [
            format!("SELECT {}1", "1+".repeat(3_000)),
            format!("SELECT {}1", "1 OR ".repeat(3_000)),
            format!("SELECT 'a' {}", "RLIKE 'a' ".repeat(3_000)),
            format!("SELECT 1 {}", "MINUS SELECT 1, 2 ".repeat(3_000)),
            format!("SELECT x{}", "::text".repeat(3_000)),
            format!("SELECT {0}{1}", "(".repeat(30), format!("{})", "1+".repeat(100) + "1").repeat(30)),
        ] {
            assert!(is_too_long(&chain), "{}", &chain[..40]);
        }
        let hidden = format!("SELECT 1 ~` {}1 `", "1+".repeat(3_000));
        assert!(!is_short_for_all(&hidden), "another parser sees it");
    }

    #[test]
    fn long_lists_are_no_chains() {
        for list in [
            format!("SELECT * FROM events WHERE status IN ({}0)", "-1, ".repeat(10_000)),
            format!("SELECT * FROM (VALUES {}('x'::text)) AS t", "('x'::text), ".repeat(5_000)),
            format!("SELECT * FROM events WHERE path = ANY (ARRAY[{}'x'])", "'y'::text, ".repeat(5_000)),
        ] {
            assert!(!is_too_long(&list) && is_short_for_all(&list), "{}", &list[..60]);
        }
    }
}
