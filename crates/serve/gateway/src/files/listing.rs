//! A page with the names in a folder.

use std::fmt::Write as _;
use std::fs::File;
use std::io;

use rustix::fs::{Dir, FileType};

/// Names on one page.
const MOST: usize = 1000;

/// Writes the page.
pub(super) fn page(folder: &File, show_hidden: bool) -> io::Result<String> {
    let mut names = Vec::new();
    let mut more = false;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || (name.starts_with(b".") && !show_hidden) {
            continue;
        }
        if names.len() == MOST {
            more = true;
            break;
        }
        names.push((name.to_vec(), entry.file_type() == FileType::Directory));
    }
    names.sort();
    Ok(html(&names, more))
}

fn html(names: &[(Vec<u8>, bool)], more: bool) -> String {
    let mut page = String::from(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Index</title>\n<ul>\n<li><a href=\"../\">../</a>\n",
    );
    for (name, is_folder) in names {
        let slash = if *is_folder { "/" } else { "" };
        // Writing to a String can't fail. `./` keeps a name with a colon from being a scheme.
        let _ = writeln!(page, "<li><a href=\"./{}{slash}\">{}{slash}</a>", address(name), text(name));
    }
    page.push_str("</ul>\n");
    if more {
        let _ = writeln!(page, "<p>and more than these {MOST}</p>");
    }
    page
}

/// A name as it stands in a URL: what is not unreserved is percent-encoded.
fn address(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A name as text of a page.
fn text(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for c in String::from_utf8_lossy(name).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_become_markup() {
        let page = html(&[(b"<script>a\"&b:c.html".to_vec(), false), (b"javascript:x".to_vec(), true)], true);
        assert!(
            page.contains("./%3Cscript%3Ea%22%26b%3Ac.html\">&lt;script&gt;a&quot;&amp;b:c.html</a>"),
            "{page}"
        );
        assert!(page.contains("href=\"./javascript%3Ax/\""), "{page}");
        assert!(page.contains("more than these 1000"), "{page}");
    }
}
