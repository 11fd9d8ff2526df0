//! RFC 9110's rules, as tables.

#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges with one range")]

use haechi_content::{
    AcceptEncoding, Asked, BadName, Coding, Decision, ETag, MAX_RANGES, Ranges, Validators, Verdict, decide,
    file_name, http_date,
};

const DAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DAY_SECONDS: u64 = 784_111_777;

fn there() -> Validators {
    let etag = ETag { weak: false, opaque: "v1".to_owned() };
    Validators { etag, modified: DAY_SECONDS, settled: true }
}

fn asked(fields: &[(&str, &str)]) -> Asked {
    Asked::of(fields.iter().map(|(name, value)| (*name, value.as_bytes())))
}

#[test]
fn dates_are_written_as_rfc_9110_does() {
    assert_eq!(http_date(DAY_SECONDS), DAY);
    assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn conditions_are_evaluated_in_order() {
    use Verdict::{Failed, NotModified, Proceed};
    let later = "Sun, 06 Nov 1994 08:49:38 GMT";
    let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
    let table: &[(&[(&str, &str)], Verdict)] = &[
        (&[], Proceed),
        // §13.1.2: weak comparison, lists, `*`.
        (&[("If-None-Match", "\"v1\"")], NotModified),
        (&[("if-none-match", "W/\"v1\"")], NotModified),
        (&[("If-None-Match", "\"v0\", \"v1\"")], NotModified),
        (&[("If-None-Match", "\"v0\""), ("If-None-Match", "\"v1\"")], NotModified),
        (&[("If-None-Match", "\"a,b\" , W/\"v1\"")], NotModified),
        (&[("If-None-Match", "*")], NotModified),
        (&[("If-None-Match", "\"v2\"")], Proceed),
        (&[("If-None-Match", "v1")], Proceed),
        (&[("If-None-Match", "\"v1")], Proceed),
        (&[("If-None-Match", "")], Proceed),
        // §13.1.3: ignored beside If-None-Match, and if it is no date.
        (&[("If-Modified-Since", DAY)], NotModified),
        (&[("If-Modified-Since", later)], NotModified),
        (&[("If-Modified-Since", earlier)], Proceed),
        (&[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
        (&[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], NotModified),
        (&[("If-Modified-Since", "yesterday")], Proceed),
        (&[("If-Modified-Since", DAY), ("If-None-Match", "\"v2\"")], Proceed),
        (&[("If-Modified-Since", earlier), ("If-None-Match", "\"v1\"")], NotModified),
        // §13.1.1: strong comparison, before all others.
        (&[("If-Match", "\"v1\"")], Proceed),
        (&[("If-Match", "*")], Proceed),
        (&[("If-Match", "W/\"v1\"")], Failed),
        (&[("If-Match", "\"v2\"")], Failed),
        (&[("If-Match", "\"v2\""), ("If-None-Match", "\"v1\"")], Failed),
        (&[("If-Match", "\"v1\""), ("If-None-Match", "\"v1\"")], NotModified),
        // §13.1.4: ignored beside If-Match.
        (&[("If-Unmodified-Since", DAY)], Proceed),
        (&[("If-Unmodified-Since", earlier)], Failed),
        (&[("If-Unmodified-Since", "never")], Proceed),
        (&[("If-Unmodified-Since", earlier), ("If-Match", "\"v1\"")], Proceed),
    ];
    for (fields, wanted) in table {
        assert_eq!(asked(fields).verdict(&there()), *wanted, "{fields:?}");
    }
}

#[test]
fn if_range_needs_the_very_same_bytes() {
    let table: &[(&str, bool)] = &[
        ("\"v1\"", true),
        ("W/\"v1\"", false),
        ("\"v2\"", false),
        ("*", false),
        (DAY, true),
        ("Sun, 06 Nov 1994 08:49:36 GMT", false),
        ("Sun, 06 Nov 1994 08:49:38 GMT", false),
        ("", false),
    ];
    for (value, wanted) in table {
        assert_eq!(asked(&[("If-Range", value)]).range_applies(&there()), *wanted, "{value}");
    }
    let mut fresh = there();
    fresh.settled = false;
    assert!(!asked(&[("If-Range", DAY)]).range_applies(&fresh), "it may have changed twice in that second");
    let mut weak = there();
    weak.etag.weak = true;
    assert!(!asked(&[("If-Range", "\"v1\"")]).range_applies(&weak));
}

#[test]
fn ranges_are_read_as_rfc_9110_writes_them() {
    let some = |ranges: &[std::ops::Range<u64>]| Ranges::Some(ranges.iter().cloned().collect());
    let many = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
    let huge = "99999999999999999999999999";
    let table: &[(&str, u64, Ranges)] = &[
        ("bytes=0-499", 10_000, some(&[0..500])),
        ("bytes=500-999", 10_000, some(&[500..1000])),
        ("bytes=-500", 10_000, some(&[9500..10_000])),
        ("bytes=9500-", 10_000, some(&[9500..10_000])),
        ("bytes=0-0,-1", 10_000, some(&[0..1, 9999..10_000])),
        ("bytes= 0-999, 4500-5499, -1000", 10_000, some(&[0..1000, 4500..5500, 9000..10_000])),
        ("bytes=500-700,601-999", 10_000, some(&[500..701, 601..1000])),
        ("BYTES=0-0", 1, some(&[0..1])),
        ("bytes=,0-0,", 1, some(&[0..1])),
        ("bytes=0-99", 10, some(&[0..10])),
        ("bytes=-99", 10, some(&[0..10])),
        (&format!("bytes=5-{huge}"), 10, some(&[5..10])),
        ("bytes=5-5,20-30", 10, some(&[5..6])),
        // Nothing of it is there.
        ("bytes=10-", 10, Ranges::Unsatisfiable),
        ("bytes=-0", 10, Ranges::Unsatisfiable),
        ("bytes=0-", 0, Ranges::Unsatisfiable),
        (&format!("bytes={huge}-"), 10, Ranges::Unsatisfiable),
        ("bytes=20-30,40-50", 10, Ranges::Unsatisfiable),
        // Malformed, or another unit.
        ("bytes=5-4", 10, Ranges::Whole),
        ("bytes=a-b", 10, Ranges::Whole),
        ("bytes=1", 10, Ranges::Whole),
        ("bytes=-", 10, Ranges::Whole),
        ("bytes=--1", 10, Ranges::Whole),
        ("bytes=+1-2", 10, Ranges::Whole),
        ("bytes=1-2,x", 10, Ranges::Whole),
        ("bytes=0x1-2", 10, Ranges::Whole),
        ("bytes=", 10, Ranges::Whole),
        ("bytes", 10, Ranges::Whole),
        ("", 10, Ranges::Whole),
        ("items=0-1", 10, Ranges::Whole),
        ("bytes =0-1", 10, Ranges::Whole),
        // Bounded.
        (&many(MAX_RANGES), 16, some(&vec![0..1; MAX_RANGES])),
        (&many(MAX_RANGES + 1), 100, Ranges::TooMany),
        ("bytes=0-9,0-9", 10, Ranges::TooMany),
    ];
    for (value, length, wanted) in table {
        assert_eq!(Ranges::parse(value.as_bytes(), *length), *wanted, "{value} of {length}");
    }
}

#[test]
fn only_a_get_has_ranges_and_conditions_come_first() {
    let range = ("Range", "bytes=0-1");
    let decide = |fields: &[(&str, &str)], is_get| decide(&asked(fields), is_get, &there(), 10);
    assert_eq!(decide(&[range], true), Decision::Parts([0..2].into_iter().collect()));
    assert_eq!(decide(&[range], false), Decision::Whole { limited: false });
    assert_eq!(decide(&[range, ("If-None-Match", "\"v1\"")], true), Decision::NotModified);
    assert_eq!(decide(&[range, ("If-Match", "\"v2\"")], true), Decision::Failed);
    assert_eq!(decide(&[range, ("If-Range", "\"v2\"")], true), Decision::Whole { limited: false });
    assert_eq!(decide(&[range, range], true), Decision::Whole { limited: false });
    assert_eq!(decide(&[("Range", "bytes=10-")], true), Decision::Unsatisfiable);
    let too_many = ("Range", "bytes=0-9,0-9");
    assert_eq!(decide(&[too_many], true), Decision::Whole { limited: true });
}

#[test]
fn codings_are_ranked_by_weight_then_by_preference() {
    use Coding::{Brotli, Gzip, Zstd};
    let table: &[(Option<&str>, &[Coding])] = &[
        (None, &[]),
        (Some(""), &[]),
        (Some("gzip"), &[Gzip]),
        (Some("x-gzip"), &[Gzip]),
        (Some("GZIP, BR"), &[Brotli, Gzip]),
        (Some("gzip, deflate, br, zstd"), &[Brotli, Zstd, Gzip]),
        (Some("gzip;q=1.0, br;q=0.5"), &[Gzip, Brotli]),
        (Some("gzip ; q=0.8 , br;Q=0.801"), &[Brotli, Gzip]),
        (Some("*"), &[Brotli, Zstd, Gzip]),
        (Some("*;q=0"), &[]),
        (Some("br;q=0, *"), &[Zstd, Gzip]),
        (Some("gzip;q=0"), &[]),
        (Some("gzip;q=0.000"), &[]),
        (Some("gzip;q=0.001"), &[Gzip]),
        (Some("identity"), &[]),
        (Some("identity;q=0.5, gzip;q=0.4, br;q=0.6"), &[Brotli]),
        (Some("identity;q=0.5, gzip;q=0.5"), &[Gzip]),
        (Some("identity;q=0, gzip;q=0.1"), &[Gzip]),
        // What can't be read is not wanted.
        (Some("gzip;q=2"), &[]),
        (Some("gzip;q=1.001"), &[]),
        (Some("gzip;q=0.1234"), &[]),
        (Some("gzip;q=a, br"), &[Brotli]),
        (Some("gzip;q="), &[]),
        // Bytes below and above the digits: a sign once panicked with overflow checks.
        (Some("gzip;q=0.-, br"), &[Brotli]),
        (Some("gzip;q=0.5:, br"), &[Brotli]),
        (Some("compress, deflate"), &[]),
        (Some("gzipped"), &[]),
    ];
    for (value, wanted) in table {
        let accepts = AcceptEncoding::parse(value.map(str::as_bytes));
        assert_eq!(accepts.ranked(&Coding::ALL).as_slice(), *wanted, "{value:?}");
    }
}

#[test]
fn names_never_leave_the_folder() {
    let good: &[(&str, &[u8], bool)] = &[
        ("/", b"", true),
        ("/a", b"a", false),
        ("/a/", b"a", true),
        ("/a/b.html", b"a/b.html", false),
        ("/a%20b/%C3%A9", b"a b/\xc3\xa9", false),
        ("/%25", b"%", false),
        ("/a;b=1", b"a;b=1", false),
        ("/...a/b", b"...a/b", false),
        ("/.well-known/acme", b".well-known/acme", false),
    ];
    for (path, name, is_folder) in good {
        assert_eq!(file_name(path, path.starts_with("/...")), Ok((name.to_vec(), *is_folder)), "{path}");
    }
    let unsafe_names = [
        "//",
        "/a//b",
        "/..",
        "/../etc/passwd",
        "/a/../../b",
        "/a/.",
        "/%2e%2e/b",
        "/%2E%2E",
        "/.%2e/b",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/%00",
        "/a%0ab",
        "/a%7f",
        "/%",
        "/%1",
        "/%zz",
        "/a/%2e%2e",
        "/a/..%2f..",
        "/%2f",
    ];
    for path in unsafe_names {
        for show_hidden in [false, true] {
            let refused = file_name(path, show_hidden);
            let expected =
                refused == Err(BadName::Unsafe) || (!show_hidden && refused == Err(BadName::Hidden));
            assert!(expected, "{path}: {refused:?}");
        }
    }
    for path in ["/.git/config", "/a/.env", "/%2egit", "/.htaccess", "/a/.well-known/x", "/..."] {
        assert_eq!(file_name(path, false), Err(BadName::Hidden), "{path}");
        assert!(file_name(path, true).is_ok(), "{path}");
    }
}
