//! `.properties` as Spring Boot's `OriginTrackedPropertiesLoader` reads it: `java.util.Properties` syntax plus
//! `#---` and `!---` between documents and `key[]=a,b` for lists. The bytes are ISO-8859-1, as Java always
//! read these files; other characters are written `\uXXXX`.

use super::characters::Characters;
use super::{Budget, Limits, Properties, ReadError, check_size};
use crate::value::{Entry, Origin, Value};

/// Reads all documents of a `.properties` file; empty documents are left out.
pub fn read_properties(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Properties>, ReadError> {
    check_size(file, bytes, limits)?;
    let mut reader = Reader {
        file,
        chars: Characters::new(bytes),
        budget: Budget::new(limits),
        documents: Vec::new(),
        document: Properties::new(),
    };
    reader.run()?;
    Ok(reader.documents)
}

struct Reader<'a> {
    file: &'a str,
    chars: Characters<'a>,
    budget: Budget<'a>,
    documents: Vec<Properties>,
    document: Properties,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), ReadError> {
        // `#---` separates only if the line before it is not a comment with the same prefix.
        let mut comment_before = None;
        while self.advance()? {
            // Boot looks for comments without asking whether the prefix was escaped.
            let Some(prefix @ ('#' | '!')) = self.chars.current() else {
                comment_before = None;
                self.key_and_value()?;
                continue;
            };
            if comment_before != Some(prefix) && self.separator()? {
                self.end_document();
                continue;
            }
            // A comment right after a separator takes the separator back.
            if self.document.is_empty()
                && let Some(last) = self.documents.pop()
            {
                self.document = last;
            }
            comment_before = Some(prefix);
            self.chars.skip_line();
        }
        self.end_document();
        Ok(())
    }

    fn end_document(&mut self) {
        if !self.document.is_empty() {
            self.documents.push(std::mem::take(&mut self.document));
        }
    }

    /// Whether the comment that starts here is exactly `---` from the line's first column on. Reads on up to
    /// where that is decided.
    fn separator(&mut self) -> Result<bool, ReadError> {
        let mut separates = self.chars.origin().column == 1;
        for _ in 0..3 {
            if separates {
                self.advance()?;
                separates = self.chars.current() == Some('-');
            }
        }
        if !self.chars.end_of_line() {
            self.advance()?;
            self.chars.skip_spaces();
        }
        Ok(separates && self.chars.end_of_line())
    }

    fn key_and_value(&mut self) -> Result<(), ReadError> {
        let at = self.chars.origin();
        let key = self.key()?;
        let key = key.trim_matches(|c: char| c <= ' ');
        let Some(list) = key.strip_suffix("[]") else {
            let entry = self.value(false)?;
            return self.put(key.to_owned(), entry, at);
        };
        let mut index = 0;
        loop {
            let entry = self.value(true)?;
            self.put(format!("{list}[{index}]"), entry, at)?;
            index += 1;
            if !self.chars.end_of_line() {
                self.advance()?;
            }
            if self.chars.end_of_line() {
                return Ok(());
            }
        }
    }

    fn key(&mut self) -> Result<String, ReadError> {
        let mut key = String::new();
        let mut after_space = false;
        while !self.chars.end_of_line() {
            if self.chars.is_bare('=') || self.chars.is_bare(':') {
                self.advance()?;
                break;
            }
            let space = self.chars.is_space();
            if after_space && !space {
                break;
            }
            after_space = space;
            key.extend(self.chars.current());
            self.advance()?;
        }
        Ok(key)
    }

    fn value(&mut self, in_list: bool) -> Result<Entry, ReadError> {
        while self.chars.is_space() {
            self.advance()?;
        }
        let origin = Some(self.chars.origin());
        let mut text = String::new();
        while !(self.chars.end_of_line() || in_list && self.chars.is_bare(',')) {
            text.extend(self.chars.current());
            self.advance()?;
        }
        Ok(Entry { value: Value::Text(text), origin })
    }

    /// The last of equal keys wins, at the first one's place.
    fn put(&mut self, key: String, entry: Entry, at: Origin) -> Result<(), ReadError> {
        if key.is_empty() {
            return Ok(());
        }
        self.budget.take(key.len()).map_err(|message| self.error(at, message))?;
        self.document.insert(key, entry);
        Ok(())
    }

    fn advance(&mut self) -> Result<bool, ReadError> {
        let at = self.chars.origin();
        self.chars.advance().map_err(|message| self.error(at, message.to_owned()))
    }

    fn error(&self, at: Origin, message: String) -> ReadError {
        ReadError { file: self.file.to_owned(), line: at.line, column: at.column.max(1), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<(String, String, String)>> {
        read_properties("a.properties", text.as_bytes(), &Limits::default())
            .unwrap()
            .into_iter()
            .map(|document| {
                let show = |(key, entry): (String, Entry)| {
                    (key, entry.value.to_string(), entry.origin.unwrap().to_string())
                };
                document.into_iter().map(show).collect()
            })
            .collect()
    }

    fn one(text: &str) -> Vec<(String, String)> {
        read(text).into_iter().flatten().map(|(key, value, _)| (key, value)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_end_at_the_first_bare_separator_or_space() {
        let text = "a=1\nb:2\nc 3\n  d  =  4  \ne\\=f = g=h\nk\\ l=m\nn\n\n=o\np = = q\n";
        let expected = [
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", "4  "),
            ("e=f", "g=h"),
            ("k l", "m"),
            ("n", ""),
            ("p", "= q"),
        ];
        assert_eq!(one(text), pairs(&expected));
    }

    #[test]
    fn a_backslash_continues_a_line_and_escapes() {
        let text = "a=1,\\\n   2\nb=\\t\\n\\u00e9\\x\\\\\r\nc=x\\\r\n  y\n";
        assert_eq!(one(text), pairs(&[("a", "1,2"), ("b", "\t\n\u{e9}x\\"), ("c", "xy")]));
    }

    #[test]
    fn surrogate_pairs_make_one_character_and_lone_ones_none() {
        assert_eq!(one("a=\\ud83d\\ude00!\nb=\\ud83dx"), pairs(&[("a", "\u{1f600}!"), ("b", "\u{fffd}x")]));
    }

    #[test]
    fn bytes_are_latin_1() {
        let documents = read_properties("a", b"a=caf\xe9", &Limits::default()).unwrap();
        assert_eq!(documents[0]["a"].value, Value::from("caf\u{e9}"));
    }

    #[test]
    fn documents_are_separated_unless_comments_stand_around() {
        let keys = |text| -> Vec<usize> { read(text).iter().map(Vec::len).collect() };
        assert_eq!(keys("a=1\n#---\nb=2\n!---\nc=3"), [1, 1, 1]);
        assert_eq!(keys("a=1\n# x\n#---\nb=2"), [2], "comment before");
        assert_eq!(keys("a=1\n#---\n# x\nb=2"), [2], "comment after");
        assert_eq!(keys("a=1\n! x\n#---\nb=2"), [1, 1], "comment of the other kind");
        assert_eq!(keys("a=1\n #---\nb=2"), [2], "indented");
        assert_eq!(keys("a=1\n#----\nb=2"), [2], "four hyphens");
        assert_eq!(keys("#---\na=1\n#---\n#---\n"), [1], "empty documents");
    }

    #[test]
    fn brackets_expand_lists() {
        assert_eq!(
            one("a[]=x, y,z\\,w\nb[]="),
            pairs(&[("a[0]", "x"), ("a[1]", "y"), ("a[2]", "z,w"), ("b[0]", "")])
        );
    }

    #[test]
    fn origins_are_where_values_start() {
        let origins: Vec<String> =
            read("a=1\n\nbb : 2\nc=x\\\n  y\nd=\n").into_iter().flatten().map(|(_, _, at)| at).collect();
        assert_eq!(origins, ["1:3", "3:6", "4:3", "7:0"], "the last as Boot has it: past the line's end");
    }

    #[test]
    fn malformed_escapes_and_too_many_keys_are_errors_with_a_place() {
        let limits = Limits { keys: 1, ..Limits::default() };
        let error = read_properties("f", b"a=1\nb=\\u12g4", &Limits::default()).unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (2, "malformed \\uxxxx escape"));
        let error = read_properties("f", b"a=1\nb=2", &limits).unwrap_err();
        assert_eq!(error.to_string(), "f:2:1: the file has more than 1 keys");
    }
}
