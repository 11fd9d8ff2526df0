//! The tables of cases: plain text, so that a case is one line and a reader sees its bytes.
//!
//! ```text
//! # a comment
//! @around PREFIX{}SUFFIX       puts the bytes of the following cases in the place of {}
//! @request BYTES               the request that the following cases of responses answer
//! name | section | expectation | bytes
//! ```
//!
//! In bytes, `\r \n \t \0 \\ \xHH` stand for themselves, `\s` for a space where it would not be seen, and
//! `{piece*n}` for n times the piece. A section is of RFC 9112 unless it names another.

/// One case.
#[derive(Debug)]
pub struct Case {
    /// What failures are told with.
    pub name: String,
    /// Where it is decided.
    pub section: String,
    /// What must come of it, in the table's own words.
    pub expect: String,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// The request that a response answers.
    pub request: Vec<u8>,
}

/// All cases of a table.
pub fn read(text: &str) -> Vec<Case> {
    let mut around = "{}";
    let mut request = "";
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(template) = line.strip_prefix("@around ") {
            assert_eq!(template.matches("{}").count(), 1, "{line}");
            around = template;
        } else if let Some(bytes) = line.strip_prefix("@request ") {
            request = bytes;
        } else {
            let columns: Vec<&str> = line.splitn(4, " | ").map(str::trim).collect();
            let [name, section, expect, bytes] = columns[..] else { panic!("not four columns: {line}") };
            assert!(cases.iter().all(|case| case.name != name), "{name} stands twice");
            cases.push(Case {
                name: name.to_owned(),
                section: section.to_owned(),
                expect: expect.to_owned(),
                bytes: unescape(&around.replace("{}", bytes)),
                request: unescape(request),
            });
        }
    }
    cases
}

/// The bytes that an escaped text stands for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{']) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if mark == b'{' {
            let (piece, after) = rest.split_once('}').expect("a repetition ends");
            let (piece, count) = piece.rsplit_once('*').expect("a repetition has a count");
            out.extend(unescape(piece).repeat(count.parse().expect("a count")));
            rest = after;
            continue;
        }
        let (byte, used) = match rest.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b's' => (b' ', 1),
            b'0' => (0, 1),
            b'x' => (u8::from_str_radix(&rest[1..3], 16).expect("two hexadecimal digits"), 3),
            other => (other, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
