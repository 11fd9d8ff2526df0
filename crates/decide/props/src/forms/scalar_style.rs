//! How a text may be written in YAML, as SnakeYAML's emitter decides it.

use crate::read::is_plain_text;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a text's characters allow, in block context.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) empty: bool,
    pub(super) multiline: bool,
    plain: bool,
    single_quoted: bool,
    literal: bool,
}

/// YAML 1.1 line breaks, without `\r`, which SnakeYAML never writes as one.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that YAML can have at all; a text with any other becomes `!!binary`.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\t' | '\n' | '\r' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
        | '\u{10000}'..)
}

/// White space and breaks that stand where a style can't keep them.
#[derive(Default)]
struct Spaces {
    leading: bool,
    trailing: bool,
    trailing_space: bool,
    after_break: bool,
    before_break: bool,
}

impl Spaces {
    fn of(chars: &[char]) -> Self {
        let mut found = Self::default();
        let space_or_break = |c: &char| *c == ' ' || is_break(*c);
        found.leading = chars.first().is_some_and(space_or_break);
        found.trailing = chars.last().is_some_and(space_or_break);
        found.trailing_space = chars.last() == Some(&' ');
        for pair in chars.windows(2) {
            found.after_break |= is_break(pair[0]) && pair[1] == ' ';
            found.before_break |= pair[0] == ' ' && is_break(pair[1]);
        }
        found
    }
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        if chars.is_empty() {
            return Self { empty: true, multiline: false, plain: true, single_quoted: true, literal: false };
        }
        let special = chars.iter().any(|c| {
            !matches!(c, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                | '\u{10000}'..)
        });
        let spaces = Spaces::of(&chars);
        let only_double_quoted = spaces.before_break || special;
        let edges = spaces.leading || spaces.trailing || has_leading_zero(text);
        Self {
            empty: false,
            multiline: chars.iter().copied().any(is_break),
            plain: !(edges || spaces.after_break || only_double_quoted || has_indicator(&chars)),
            single_quoted: !(spaces.after_break || only_double_quoted),
            literal: !(spaces.trailing_space || only_double_quoted),
        }
    }

    /// The style of a text. `is_key` is for keys that stand before their colon on one line.
    pub(super) fn style(&self, text: &str, is_key: bool) -> Style {
        if self.multiline && self.literal && !is_key {
            Style::Literal
        } else if self.multiline {
            Style::DoubleQuoted
        } else if self.plain && is_plain_text(text) && !(is_key && self.empty) {
            Style::Plain
        } else if self.single_quoted {
            Style::SingleQuoted
        } else {
            Style::DoubleQuoted
        }
    }
}

/// Whether a character stands where YAML would read it as an indicator.
fn has_indicator(chars: &[char]) -> bool {
    let blank = |c: Option<&char>| c.is_none_or(|c| matches!(c, '\0' | ' ' | '\t'));
    let text_start: String = chars.iter().take(3).collect();
    if text_start == "---" || text_start == "..." {
        return true;
    }
    chars.iter().enumerate().any(|(at, c)| {
        let before_blank = match chars.get(at + 1) {
            Some(next) if at == 0 && (*next == '\r' || is_break(*next)) => true,
            // SnakeYAML asks for the character behind a break differently.
            Some(next) => blank(Some(next)) || at > 0 && is_break(chars[at - 1]),
            None => true,
        };
        match c {
            '#' if at > 0 => blank(Some(&chars[at - 1])) || is_break(chars[at - 1]),
            ':' => before_blank,
            '?' | '-' if at == 0 => before_blank,
            _ => at == 0 && "#,[]{}&*!|>'\"%@`".contains(*c),
        }
    })
}

/// `007` is an octal number to some readers and a decimal one to others, so it is never plain.
fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}
