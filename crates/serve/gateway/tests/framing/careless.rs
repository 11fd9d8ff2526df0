//! Readers that forgive what real servers have been found to forgive, each in its own way. What the gateway
//! sends must mean the same to all of them.

/// What a reader tolerates.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub name: &'static str,
    /// CR alone ends a line. (LF alone does for all of them.)
    cr_ends_line: bool,
    /// A line that begins with a space continues the one before.
    folds: bool,
    /// Names are read up to the first space, and `_` and other marks stand for `-`, as in CGI.
    cgi_names: bool,
    /// The first of two fields counts; otherwise the last.
    first_counts: bool,
    /// Content-Length wins over Transfer-Encoding.
    length_wins: bool,
    /// A length is as many digits as there are, after a sign or spaces.
    loose_numbers: bool,
    /// Numbers wrap at 32 bits.
    wraps: bool,
    /// Any coding that mentions `chunked` is chunked; otherwise it must be the word alone.
    loose_coding: bool,
    /// A NUL ends a value.
    nul_ends: bool,
}

/// The readers.
pub const ALL: &[Habits] = &[
    Habits { name: "plain", ..PLAIN },
    Habits { name: "CGI", cgi_names: true, folds: true, loose_numbers: true, ..PLAIN },
    Habits { name: "length first", length_wins: true, first_counts: true, loose_numbers: true, ..PLAIN },
    Habits { name: "old C", nul_ends: true, wraps: true, loose_numbers: true, loose_coding: true, ..PLAIN },
    Habits { name: "CR", cr_ends_line: true, loose_coding: true, first_counts: true, ..PLAIN },
    Habits { name: "folds", folds: true, loose_coding: true, length_wins: true, ..PLAIN },
];

const PLAIN: Habits = Habits {
    name: "",
    cr_ends_line: false,
    folds: false,
    cgi_names: false,
    first_counts: false,
    length_wins: false,
    loose_numbers: false,
    wraps: false,
    loose_coding: false,
    nul_ends: false,
};

/// Method and target, and the body, of each request that this reader sees.
pub fn requests(bytes: &[u8], habits: Habits) -> Vec<(String, Vec<u8>)> {
    let (mut all, mut rest) = (Vec::new(), bytes);
    while let Some((request, used)) = first(rest, habits) {
        all.push(request);
        rest = &rest[used..];
    }
    all
}

fn first(bytes: &[u8], habits: Habits) -> Option<((String, Vec<u8>), usize)> {
    let mut at = 0;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    loop {
        let (line, used) = line(&bytes[at..], habits)?;
        at += used;
        match (line.first(), lines.last_mut()) {
            // Empty lines before a request are ignored.
            (None, None) => {}
            (None, Some(_)) => break,
            (Some(b' ' | b'\t'), Some(last)) if habits.folds => last.extend_from_slice(line),
            _ => lines.push(line.to_vec()),
        }
    }
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    let start = text(&lines[0]);
    let start = start.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let (mut length, mut chunked) = (None, None);
    for line in &lines[1..] {
        let line = text(line);
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = if habits.nul_ends { value.split('\0').next().unwrap_or_default() } else { value };
        let mut name = name.to_ascii_lowercase();
        if habits.cgi_names {
            name = name.trim().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        }
        match name.as_str() {
            "content-length" if length.is_none() || !habits.first_counts => {
                length = Some(number(value, 10, habits));
            }
            "transfer-encoding" if chunked.is_none() || !habits.first_counts => {
                let value = value.trim().to_ascii_lowercase();
                chunked = Some(value == "chunked" || habits.loose_coding && value.contains("chunked"));
            }
            _ => {}
        }
    }
    let by_length = length.is_some() && (habits.length_wins || chunked != Some(true));
    let (body, used) = match (by_length, chunked) {
        (true, _) => exactly(&bytes[at..], length??)?,
        (false, Some(true)) => chunks(&bytes[at..], habits)?,
        _ => (Vec::new(), 0),
    };
    Some(((start, body), at + used))
}

/// A line without its end, and its length with it.
fn line(bytes: &[u8], habits: Habits) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n' || habits.cr_ends_line && *byte == b'\r')?;
    let used = end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
    Some((bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), used))
}

fn number(text: &str, radix: u32, habits: Habits) -> Option<usize> {
    let text = text.trim();
    let digits = if habits.loose_numbers {
        let text = text.trim_start_matches(['+', '-', ' ']).trim_start_matches("0x");
        let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
        &text[..end]
    } else {
        text
    };
    let number = u128::from_str_radix(digits, radix).ok()?;
    usize::try_from(if habits.wraps { number & 0xffff_ffff } else { number }).ok()
}

fn exactly(bytes: &[u8], length: usize) -> Option<(Vec<u8>, usize)> {
    Some((bytes.get(..length)?.to_vec(), length))
}

fn chunks(bytes: &[u8], habits: Habits) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let (head, used) = line(&bytes[at..], habits)?;
        at += used;
        let size = String::from_utf8_lossy(head).split(';').next().map(str::to_owned)?;
        let size = number(&size, 16, habits)?;
        if size == 0 {
            // Trailers, to an empty line.
            loop {
                let (trailer, used) = line(&bytes[at..], habits)?;
                at += used;
                if trailer.is_empty() {
                    return Some((body, at));
                }
            }
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        at += line(&bytes[at..], habits)?.1;
    }
}
