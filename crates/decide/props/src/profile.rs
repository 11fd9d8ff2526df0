//! Profile expressions (`spring.config.activate.on-profile`), as Spring's `ProfilesParser` reads them:
//! `!`, `&`, `|` and parentheses, where `&` and `|` must not stand side by side without parentheses.

/// An expression that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed profile expression {0:?}; write names, !, & and |, with parentheses between & and |")]
pub struct ProfileError(pub String);

/// Nested parentheses at most.
const DEPTH: usize = 32;

/// Whether one of the comma-separated expressions holds for these active profiles.
pub fn matches_profiles(expressions: &str, active: &[String]) -> Result<bool, ProfileError> {
    let mut any = false;
    for expression in expressions.split(',').map(str::trim).filter(|expression| !expression.is_empty()) {
        let mut parser = Parser { rest: expression, active };
        let value = parser.expression(0).filter(|_| parser.rest.is_empty());
        any |= value.ok_or_else(|| ProfileError(expression.to_owned()))?;
    }
    Ok(any)
}

struct Parser<'a> {
    rest: &'a str,
    active: &'a [String],
}

impl Parser<'_> {
    /// One operand, or several joined by one kind of operator. None is malformed.
    fn expression(&mut self, depth: usize) -> Option<bool> {
        let mut value = self.operand(depth)?;
        let mut operator = None;
        loop {
            self.rest = self.rest.trim_start();
            let Some(next @ ('&' | '|')) = self.rest.chars().next() else { return Some(value) };
            if operator.is_some_and(|operator| operator != next) {
                return None;
            }
            operator = Some(next);
            self.rest = &self.rest[1..];
            let other = self.operand(depth)?;
            value = if next == '&' { value & other } else { value | other };
        }
    }

    fn operand(&mut self, depth: usize) -> Option<bool> {
        if depth > DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('!') {
            self.rest = rest;
            return self.operand(depth + 1).map(|value| !value);
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let value = self.expression(depth + 1)?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
            return Some(value);
        }
        let end = self.rest.find(['(', ')', '&', '|', '!']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let name = name.trim();
        (!name.is_empty()).then(|| self.active.iter().any(|active| active == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expressions: &str) -> Result<bool, ProfileError> {
        matches_profiles(expressions, &["dev".to_owned(), "db".to_owned()])
    }

    #[test]
    fn operators_and_commas_combine_profiles() {
        for (expressions, expected) in [
            ("dev", true),
            ("prod", false),
            ("prod,db", true),
            ("!prod", true),
            ("!dev", false),
            ("dev & db", true),
            ("dev & !db", false),
            ("prod | db", true),
            ("(prod | dev) & db", true),
            ("!(dev & db)", false),
            ("dev & db & prod", false),
        ] {
            assert_eq!(matches(expressions), Ok(expected), "{expressions}");
        }
    }

    #[test]
    fn malformed_expressions_are_errors() {
        for expressions in ["dev & db | prod", "(dev", "dev)", "&", "dev &", "!", "()", "dev db (x)"] {
            assert!(matches(expressions).is_err(), "{expressions}");
        }
        assert!(matches(&"(".repeat(10_000)).is_err());
    }
}
