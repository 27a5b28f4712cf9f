//! Statements from a stream of lines: each ends at a `;` that stands outside quotes and comments.

/// What has been read and belongs to a statement that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    pending: String,
    inside: Inside,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// Text or a name, until this character.
    Quotes(char),
    LineComment,
    BlockComment,
}

impl Statements {
    /// Takes a line; gives the statements that it completes.
    pub(crate) fn line(&mut self, line: &str) -> Vec<String> {
        let mut complete = Vec::new();
        let mut characters = line.chars().peekable();
        while let Some(one) = characters.next() {
            let next = characters.peek().copied();
            if self.inside == Inside::Nothing && one == ';' {
                complete.extend(self.end());
                continue;
            }
            self.pending.push(one);
            let both = self.step(one, next);
            if both && let Some(second) = characters.next() {
                self.pending.push(second);
            }
        }
        self.pending.push('\n');
        if self.inside == Inside::LineComment {
            self.inside = Inside::Nothing;
        }
        complete
    }

    /// What is left when the lines end.
    pub(crate) fn end(&mut self) -> Option<String> {
        self.inside = Inside::Nothing;
        let text = std::mem::take(&mut self.pending);
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.trim().is_empty()
    }

    /// Whether the two characters belong together.
    fn step(&mut self, one: char, next: Option<char>) -> bool {
        let (inside, both) = match (self.inside, one, next) {
            (Inside::Nothing, '\'' | '"', _) => (Inside::Quotes(one), false),
            (Inside::Nothing, '-', Some('-')) => (Inside::LineComment, true),
            (Inside::Nothing, '/', Some('*')) => (Inside::BlockComment, true),
            // Doubled quotes leave and enter again, which comes to the same.
            (Inside::Quotes(quote), _, _) if one == quote => (Inside::Nothing, false),
            (Inside::BlockComment, '*', Some('/')) => (Inside::Nothing, true),
            (inside, _, _) => (inside, false),
        };
        self.inside = inside;
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Vec<String>, Option<String>) {
        let mut statements = Statements::default();
        let complete = lines.iter().flat_map(|line| statements.line(line)).collect();
        (complete, statements.end())
    }

    #[test]
    fn a_statement_may_span_lines_and_a_line_may_hold_several() {
        let (complete, rest) = read(&["SELECT 1; SELECT", "2;", "SELECT 3"]);
        assert_eq!(complete, ["SELECT 1", "SELECT\n2"]);
        assert_eq!(rest.as_deref(), Some("SELECT 3"));
    }

    #[test]
    fn a_semicolon_in_quotes_or_comments_ends_nothing() {
        for text in ["SELECT ';'", "SELECT \"a;b\"", "SELECT 'it''s; fine'", "SELECT 1 /* ; */", "SELECT /* ' ; */ 2"] {
            assert_eq!(read(&[&format!("{text};")]), (vec![text.to_owned()], None), "{text}");
        }
        assert_eq!(read(&["SELECT 1 -- one; two", ";"]).0, ["SELECT 1 -- one; two"]);
    }

    #[test]
    fn nothing_between_semicolons_is_no_statement() {
        assert_eq!(read(&[" ;; ", ""]), (Vec::new(), None));
    }
}
