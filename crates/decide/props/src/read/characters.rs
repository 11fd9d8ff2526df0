//! Characters of a `.properties` file with escapes resolved, counted the way Boot's `CharacterReader` counts:
//! an escape is one column, and white space at the start of a line is not content.

use crate::value::Origin;

pub(super) struct Characters<'a> {
    bytes: std::iter::Peekable<std::slice::Iter<'a, u8>>,
    current: Option<char>,
    escaped: bool,
    /// Newlines read so far.
    line: u32,
    /// Column of the current character from 0; -1 once the newline itself was read.
    column: i64,
}

impl<'a> Characters<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter().peekable(), current: None, escaped: false, line: 0, column: -1 }
    }

    /// Reads the next character; false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, &'static str> {
        loop {
            self.escaped = false;
            self.current = self.raw();
            self.column += 1;
            if self.column == 0 {
                self.skip_spaces();
            }
            match self.current {
                Some('\\') => {
                    self.current = self.raw();
                    if self.current == Some('\n') {
                        self.column = -1;
                        continue;
                    }
                    self.escaped = true;
                    self.unescape()?;
                }
                Some('\n') => self.column = -1,
                _ => {}
            }
            return Ok(self.current.is_some());
        }
    }

    pub(super) fn current(&self) -> Option<char> {
        self.current
    }

    pub(super) fn is_space(&self) -> bool {
        !self.escaped && matches!(self.current, Some(' ' | '\t' | '\x0c'))
    }

    pub(super) fn is_bare(&self, c: char) -> bool {
        !self.escaped && self.current == Some(c)
    }

    pub(super) fn end_of_line(&self) -> bool {
        self.current.is_none() || self.is_bare('\n')
    }

    /// Where the current character stands.
    pub(super) fn origin(&self) -> Origin {
        Origin { line: self.line + 1, column: u32::try_from(self.column + 1).unwrap_or(u32::MAX) }
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.is_space() {
            self.current = self.raw();
            self.column += 1;
        }
    }

    /// Skips to the end of the line, without looking at escapes.
    pub(super) fn skip_line(&mut self) {
        while !matches!(self.current, None | Some('\n')) {
            self.current = self.raw();
        }
        self.column = -1;
    }

    /// The next byte as a character; `\r`, `\n` and `\r\n` are all one newline.
    fn raw(&mut self) -> Option<char> {
        let byte = *self.bytes.next()?;
        if byte == b'\r' {
            self.bytes.next_if_eq(&&b'\n');
        }
        if matches!(byte, b'\r' | b'\n') {
            self.line += 1;
            return Some('\n');
        }
        Some(char::from(byte))
    }

    fn unescape(&mut self) -> Result<(), &'static str> {
        self.current = match self.current {
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('n') => Some('\n'),
            Some('f') => Some('\x0c'),
            Some('u') => Some(self.unicode()?),
            other => other,
        };
        Ok(())
    }

    /// One UTF-16 unit, or two where they are a pair. A lone surrogate has no character and becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, &'static str> {
        let unit = self.unit()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = (self.bytes.clone(), self.line);
        if self.raw() == Some('\\')
            && self.raw() == Some('u')
            && let Ok(low @ 0xdc00..0xe000) = self.unit()
        {
            self.column += 1;
            let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        (self.bytes, self.line) = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Result<u32, &'static str> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.raw().and_then(|c| c.to_digit(16)).ok_or("malformed \\uxxxx escape")?;
            unit = unit << 4 | digit;
        }
        Ok(unit)
    }
}
