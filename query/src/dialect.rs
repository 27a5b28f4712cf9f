//! What programs write that were made for other databases, in the engine's words: templates of times as Postgres has them, table
//! functions in capitals, an interval that is multiplied. A statement means the same afterwards, on every surface.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Value, ValueWithSpan, visit_expressions_mut, visit_relations_mut,
};

use crate::error::QueryError;

/// Functions whose second argument is a template.
const WITH_TEMPLATES: [&str; 3] = ["to_timestamp", "to_date", "to_char"];

/// Patterns of Postgres' templates and of the engine's; of two that begin alike the longer one first.
const PATTERNS: [(&str, &str); 12] = [
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// An interval times a number; see [`crate::functions`].
const INTERVAL_TIMES: &str = "interval_times";

/// Also for statements that are not run through a session: what they mean must not depend on where they are run.
pub fn in_our_words(statement: &mut Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => say(statement),
        Statement::Explain(explain) => in_our_words(&mut explain.statement),
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => Ok(()),
    }
}

fn say(statement: &mut ast::Statement) -> Result<(), QueryError> {
    let named: ControlFlow<()> = visit_relations_mut(statement, |name| {
        name.0.iter_mut().for_each(without_capitals);
        ControlFlow::Continue(())
    });
    debug_assert!(named.is_continue());
    match visit_expressions_mut(statement, |expression| match said(expression) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// As the engine itself does it with the names of tables, and not with those of functions that stand in their place.
fn without_capitals(part: &mut ObjectNamePart) {
    if let ObjectNamePart::Identifier(name) = part
        && name.quote_style.is_none()
    {
        name.value.make_ascii_lowercase();
    }
}

fn said(expression: &mut Expr) -> Result<(), QueryError> {
    match expression {
        Expr::Function(function) if has_template(function) => translate(function),
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => {
            if let Some(product) = product(left, right) {
                *expression = product;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_template(function: &Function) -> bool {
    let name = function.name.0.last().map(ToString::to_string).unwrap_or_default();
    WITH_TEMPLATES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn translate(function: &mut Function) -> Result<(), QueryError> {
    let foreign = template(function).filter(|template| !template.contains('%') && !is_of_durations(template));
    if let Some(template) = foreign {
        *template = translated(template).ok_or_else(|| unknown(template))?;
    }
    Ok(())
}

/// Of an interval and a number, whichever stands first. To multiply a product again has no meaning.
fn product(left: &Expr, right: &Expr) -> Option<Expr> {
    match (left, right) {
        (interval @ Expr::Interval(_), number) | (number, interval @ Expr::Interval(_)) if !is_product(number) => {
            Some(interval_times(interval.clone(), number.clone()))
        }
        _ => None,
    }
}

fn template(function: &mut Function) -> Option<&mut String> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value, .. }))) = list.args.get_mut(1)?
    else {
        return None;
    };
    match value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// `None` where there is a pattern that is not known: to guess would be a wrong time.
fn translated(template: &str) -> Option<String> {
    let (mut said, mut rest) = (String::new(), template);
    while let Some(first) = rest.chars().next() {
        let known = PATTERNS
            .iter()
            .find(|(pattern, _)| rest.get(..pattern.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(pattern)));
        let (words, length) = match known {
            // A letter more is another pattern: SSSS is no SS SS.
            Some((pattern, _)) if goes_on(pattern, &rest[pattern.len()..]) => return None,
            Some((_, "%p")) if first.is_lowercase() => ("%P".to_owned(), 2),
            Some((pattern, ours)) => ((*ours).to_owned(), pattern.len()),
            // What stands in quotation marks is meant as it is.
            None if first == '"' => {
                let inner = rest[1..].split('"').next()?;
                (inner.to_owned(), (inner.len() + 2).min(rest.len()))
            }
            None if first.is_alphabetic() => return None,
            None => (first.to_string(), first.len_utf8()),
        };
        said.push_str(&words);
        rest = &rest[length..];
    }
    Some(said)
}

fn goes_on(pattern: &str, rest: &str) -> bool {
    let (last, next) = (pattern.bytes().last(), rest.bytes().next());
    last.zip(next).is_some_and(|(last, next)| last.is_ascii_alphabetic() && last.eq_ignore_ascii_case(&next))
}

/// How the engine calls the two ways in which it writes spans of time.
fn is_of_durations(template: &str) -> bool {
    ["iso8601", "pretty"].iter().any(|known| template.eq_ignore_ascii_case(known))
}

fn unknown(template: &str) -> QueryError {
    let template: String = template.chars().take(64).collect();
    let known = "understood are YYYY MM DD HH24 HH12 MI SS MS US AM of Postgres, or the patterns of strftime";
    QueryError::Invalid(format!("the template '{template}' has a pattern that is not known: {known}"))
}

fn is_product(number: &Expr) -> bool {
    matches!(number, Expr::Function(function) if function.name.to_string() == INTERVAL_TIMES)
}

fn interval_times(interval: Expr, number: Expr) -> Expr {
    let argument = |expression| FunctionArg::Unnamed(FunctionArgExpr::Expr(expression));
    let args = vec![argument(interval), argument(number)];
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(INTERVAL_TIMES)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    fn in_words(sql: &str) -> Result<String, QueryError> {
        let mut statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        in_our_words(&mut statement).map(|()| statement.to_string())
    }

    #[test]
    fn templates_of_postgres_are_those_of_the_engine() {
        for (theirs, ours) in [
            ("YYYY-MM-DD HH24:MI:SS.US", "%Y-%m-%d %H:%M:%S.%6f"),
            ("yyyy-mm-dd\"T\"hh24:mi:ss", "%Y-%m-%dT%H:%M:%S"),
            ("HH12:MI AM", "%I:%M %p"),
            ("hh12:mi pm", "%I:%M %P"),
            ("\"", ""),
        ] {
            assert_eq!(translated(theirs).as_deref(), Some(ours));
        }
        for unknown in ["YYYY Month", "Q", "SSSS", "SSSSS", "DDD", "DDDD", "MMM", "FMDD", "IYYY", "WW", "YYYYY"] {
            assert_eq!(translated(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn only_the_template_of_a_function_that_has_one_is_translated() {
        let asked =
            "SELECT TO_TIMESTAMP('YYYY', 'YYYY'), to_char(a, '%Y-YYYY'), to_char(a - b, 'ISO8601'), upper('a', 'YYYY')";
        let said =
            "SELECT TO_TIMESTAMP('YYYY', '%Y'), to_char(a, '%Y-YYYY'), to_char(a - b, 'ISO8601'), upper('a', 'YYYY')";
        assert_eq!(in_words(asked).unwrap(), said);
        assert!(in_words("EXPLAIN SELECT to_date('x', 'YYYY')").unwrap().contains("%Y"));
        assert!(in_words("SELECT to_char(time, 'Q')").is_err());
    }

    #[test]
    fn what_is_no_name_keeps_its_capitals() {
        let asked = "SELECT Name FROM GENERATE_SERIES(1, 3) AS T, \"Odd\"";
        assert_eq!(in_words(asked).unwrap(), "SELECT Name FROM generate_series(1, 3) AS T, \"Odd\"");
    }

    #[test]
    fn an_interval_is_multiplied_from_either_side() {
        for asked in ["SELECT INTERVAL '5 MINUTES' * FLOOR(a / 5)", "SELECT FLOOR(a / 5) * INTERVAL '5 MINUTES'"] {
            assert_eq!(in_words(asked).unwrap(), "SELECT interval_times(INTERVAL '5 MINUTES', FLOOR(a / 5))");
        }
        assert_eq!(in_words("SELECT a * b").unwrap(), "SELECT a * b");
    }
}
