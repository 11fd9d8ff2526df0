//! Paths: what is refused, what is brought into one form, and what a service gets to see.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use haechi_route::config::Filter;
use haechi_route::{BadPath, NormalPath, rewrite_path};
use proptest::prelude::*;

fn normal(raw: &str) -> Result<String, BadPath> {
    NormalPath::new(raw.as_bytes()).map(|path| path.as_str().to_owned())
}

#[test]
fn what_services_could_read_differently_is_refused() {
    use BadPath::{BadEscape, DotSegment, EarlyParameter, ForbiddenByte, HiddenSlash, NotAbsolute};
    for (raw, why) in [
        ("", NotAbsolute),
        ("*", NotAbsolute),
        ("a/b", NotAbsolute),
        ("%2Fa", NotAbsolute),
        ("/..", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/./b", DotSegment),
        ("/a/%2e%2E/b", DotSegment),
        ("/a/.%2e", DotSegment),
        ("/a/..;x=1", DotSegment),
        ("/a/%2e%2e;x", DotSegment),
        ("/a//..", DotSegment),
        ("/a/..;/b", EarlyParameter),
        ("/a;x=1/b", EarlyParameter),
        ("/a;/", EarlyParameter),
        ("/a%2fb", HiddenSlash),
        ("/a%5Cb", HiddenSlash),
        ("/a\\b", HiddenSlash),
        ("/a%00", ForbiddenByte),
        ("/a%0d%0ab", ForbiddenByte),
        ("/a b", ForbiddenByte),
        ("/a\tb", ForbiddenByte),
        ("/a\u{7f}", ForbiddenByte),
        ("/a#b", ForbiddenByte),
        ("/a?b", ForbiddenByte),
        ("/a%", BadEscape),
        ("/a%4", BadEscape),
        ("/a%zz", BadEscape),
        ("/a%+1", BadEscape),
    ] {
        assert_eq!(normal(raw), Err(why), "{raw:?}");
    }
}

#[test]
fn what_means_the_same_is_written_the_same() {
    for (raw, text) in [
        ("/", "/"),
        ("//", "/"),
        ("///a//b//", "/a/b/"),
        ("/%61%2d%7E%5f", "/a-~_"),
        ("/%c3%a9", "/%C3%A9"),
        ("/\u{e9}", "/%C3%A9"),
        ("/a|\"{}", "/a%7C%22%7B%7D"),
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/a/...", "/a/..."),
        ("/a/b;jsessionid=1;x", "/a/b;jsessionid=1;x"),
        ("/a%3Bb/c", "/a%3Bb/c"),
        ("/@:!$&'()*+,=", "/@:!$&'()*+,="),
    ] {
        assert_eq!(normal(raw).as_deref(), Ok(text), "{raw:?}");
    }
    let path = NormalPath::new(b"/a/b;jsessionid=1").unwrap();
    assert_eq!(path.for_matching(), "/a/b");
}

#[test]
fn bytes_that_are_no_text_are_encoded() {
    assert_eq!(NormalPath::new(b"/\xff").unwrap().as_str(), "/%FF");
}

#[test]
fn filters_change_whole_segments_only() {
    let strip = |prefix: &str| Filter::StripPrefix(prefix.to_owned());
    let swap = |from: &str, to: &str| Filter::RewritePrefix { from: from.to_owned(), to: to.to_owned() };
    let put = |path: &str| Filter::RewritePath(path.to_owned());
    for (filters, path, forwarded) in [
        (vec![strip("/hello")], "/hello/id", "/id"),
        (vec![strip("/hello")], "/hello", "/"),
        (vec![strip("/hello")], "/hello/", "/"),
        (vec![strip("/hello")], "/hello;x=1", "/;x=1"),
        (vec![strip("/hello")], "/helloworld", "/helloworld"),
        (vec![strip("/hello")], "/other/hello", "/other/hello"),
        (vec![strip("/")], "/a", "/a"),
        (vec![swap("/a", "/b/c")], "/a/x", "/b/c/x"),
        (vec![swap("/a", "/b")], "/a", "/b"),
        (vec![swap("/a", "/b/")], "/a/", "/b/"),
        (vec![swap("/a", "/")], "/a/x", "/x"),
        (vec![swap("/", "/b")], "/a", "/b/a"),
        (vec![swap("/a", "/b")], "/a;x", "/b;x"),
        (vec![put("/fixed")], "/a/b", "/fixed"),
        (vec![strip("/a"), swap("/b", "/c")], "/a/b/d", "/c/d"),
        (vec![Filter::KeepHost], "/a", "/a"),
    ] {
        let path = NormalPath::new(path.as_bytes()).unwrap();
        assert_eq!(rewrite_path(&filters, &path), forwarded, "{filters:?}");
    }
}

#[test]
fn a_path_that_nothing_changes_is_not_copied() {
    let path = NormalPath::new(b"/a/b").unwrap();
    assert!(matches!(rewrite_path(&[Filter::KeepHost], &path), Cow::Borrowed("/a/b")));
}

/// Raw paths with many of the bytes that matter.
fn raw_paths() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("/"),
        Just("."),
        Just(".."),
        Just("a"),
        Just("%2e"),
        Just("%2F"),
        Just("%41"),
        Just(";"),
        Just("%"),
        Just("\u{e9}"),
        Just("%c3"),
        Just("{"),
        Just("%25"),
        Just("\\"),
        Just("b;c"),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_normal_path_stays_as_it_is_and_hides_nothing(raw in prop_oneof![
        raw_paths(), prop::collection::vec(any::<u8>(), 0..20),
    ]) {
        if let Ok(path) = NormalPath::new(&raw) {
            let text = path.as_str();
            let again = NormalPath::new(text.as_bytes()).unwrap();
            prop_assert_eq!(again.as_str(), text);
            prop_assert_eq!(again.for_matching(), path.for_matching());
            prop_assert!(text.starts_with('/') && !text.contains("//"));
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
            // A service that cuts parameters, decodes once and then resolves dots finds none to resolve.
            let segments = text.split('/').map(|segment| segment.split(';').next().unwrap());
            for segment in segments {
                let lower = segment.to_ascii_lowercase().replace("%2e", ".");
                prop_assert!(lower != "." && lower != ".." && !lower.contains("%2f") && !lower.contains("%5c"));
            }
        }
    }

    #[test]
    fn what_is_forwarded_is_in_normal_form_too(
        raw in raw_paths(),
        from in prop_oneof![Just("/"), Just("/a"), Just("/aa"), Just("/A")],
        to in prop_oneof![Just("/"), Just("/x"), Just("/x/y")],
        strip: bool,
    ) {
        if let Ok(path) = NormalPath::new(&raw) {
            let filter = if strip {
                Filter::StripPrefix(from.to_owned())
            } else {
                Filter::RewritePrefix { from: from.to_owned(), to: to.to_owned() }
            };
            let forwarded = rewrite_path(std::slice::from_ref(&filter), &path).into_owned();
            let again = NormalPath::new(forwarded.as_bytes());
            prop_assert_eq!(again.map(|path| path.as_str().to_owned()), Ok(forwarded));
        }
    }
}
