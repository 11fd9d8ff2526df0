//! From a request's path to the name of a file below a folder.

/// A path that names no file which may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// A segment is `.` or `..`, empty within the path, or holds a slash, a backslash, NUL or another control byte.
    Unsafe,
    /// A segment begins with a dot, and such files are not shown.
    Hidden,
}

/// The name of the file, relative, and whether the path ends with a slash and so means a folder. The empty name is the
/// folder itself.
///
/// `path` is in the normal form of `haechi-route`, which has refused most of what is refused here. This looks again
/// at the decoded bytes, because they are what the system sees. `.well-known` is never hidden (RFC 8615).
pub fn file_name(path: &str, show_hidden: bool) -> Result<(Vec<u8>, bool), BadName> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok((Vec::new(), true));
    }
    let (path, is_folder) = match path.strip_suffix('/') {
        Some(path) => (path, true),
        None => (path, false),
    };
    let mut name = Vec::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            name.push(b'/');
        }
        let start = name.len();
        decode(segment, &mut name).ok_or(BadName::Unsafe)?;
        match &name[start..] {
            b"" | b"." | b".." => return Err(BadName::Unsafe),
            b".well-known" if index == 0 => {}
            [b'.', ..] if !show_hidden => return Err(BadName::Hidden),
            segment if segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)) => {
                return Err(BadName::Unsafe);
            }
            _ => {}
        }
    }
    Ok((name, is_folder))
}

/// Decodes percent-encoding. Nothing if a `%` is followed by no two hexadecimal digits.
fn decode(segment: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        out.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = tail;
    }
    Some(())
}
