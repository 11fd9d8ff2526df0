//! What is compressed and what never is.

use haechi_content::{AcceptEncoding, Coding, Compress, Compression, Offered, lists_strong};

const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

fn rules() -> Compress {
    Compress { encodings: Coding::ALL.to_vec(), min_size: 1024, types: Vec::new(), secrets: false }
}

fn judge(rules: &Compress, status: u16, length: Option<u64>, fields: &[(&str, &str)]) -> Compression {
    let accepts = AcceptEncoding::parse(Some(b"gzip"));
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    Offered::of(status, length, fields).compression(rules, Some(&accepts))
}

#[test]
fn text_that_is_large_enough_is_compressed() {
    let gzip = Compression::With(Coding::Gzip);
    for (status, length) in [(200, None), (200, Some(1024)), (404, Some(5000)), (500, None)] {
        assert_eq!(judge(&rules(), status, length, &[HTML]), gzip);
    }
    for media in ["application/json", "image/svg+xml", "text/event-stream"] {
        assert_eq!(judge(&rules(), 200, None, &[("content-type", media)]), gzip, "{media}");
    }
}

#[test]
fn what_is_coded_fixed_small_or_secret_never_is() {
    for fields in [
        ("Content-Encoding", "br"),
        ("Cache-Control", "public, No-Transform"),
        ("Content-Range", "bytes 0-1/2"),
        ("Content-Digest", "sha-256=:x:"),
        ("Repr-Digest", "sha-256=:x:"),
        ("Digest", "sha-256=x"),
        ("Content-MD5", "x"),
        ("Set-Cookie", "a=b"),
    ] {
        assert_eq!(judge(&rules(), 200, None, &[HTML, fields]), Compression::Never, "{fields:?}");
    }
    for status in [101, 204, 205, 206] {
        assert_eq!(judge(&rules(), status, None, &[HTML]), Compression::Never, "{status}");
    }
    assert_eq!(judge(&rules(), 200, Some(1023), &[HTML]), Compression::Never);
    for media in ["image/png", "application/zip", "application/grpc", ""] {
        assert_eq!(judge(&rules(), 200, None, &[("content-type", media)]), Compression::Never, "{media}");
    }
    assert_eq!(judge(&rules(), 200, None, &[]), Compression::Never);
}

#[test]
fn a_copy_that_is_good_may_be_one_that_was_compressed() {
    let gzip = Compression::With(Coding::Gzip);
    // It needs no type, and what it says of a length is not believed.
    for (length, fields) in [(None, &[][..]), (Some(0), &[]), (None, &[HTML])] {
        assert_eq!(judge(&rules(), 304, length, fields), gzip, "{length:?} {fields:?}");
    }
    for field in
        [("Content-Type", "image/png"), ("Cache-Control", "no-transform"), ("Content-Encoding", "br")]
    {
        assert_eq!(judge(&rules(), 304, None, &[field]), Compression::Never, "{field:?}");
    }
    assert!(lists_strong(b"W/\"b\", \"a\"", b"\"a\""));
    for list in ["", "*", "W/\"a\"", "\"b\"", "\"a\", W/\"a\""] {
        assert!(!lists_strong(list.as_bytes(), b"\"a\""), "{list}");
    }
}

#[test]
fn rules_may_name_types_and_allow_secrets() {
    let only =
        |types: &[&str]| Compress { types: types.iter().map(|t| (*t).to_owned()).collect(), ..rules() };
    let gzip = Compression::With(Coding::Gzip);
    assert_eq!(judge(&only(&["text/*"]), 200, None, &[HTML]), gzip);
    assert_eq!(judge(&only(&["TEXT/html"]), 200, None, &[HTML]), gzip);
    assert_eq!(judge(&only(&["application/json"]), 200, None, &[HTML]), Compression::Never);
    let told = Compress { secrets: true, ..rules() };
    assert_eq!(judge(&told, 200, None, &[HTML, ("Set-Cookie", "a=b")]), gzip);
}

#[test]
fn another_client_might_get_it_compressed() {
    let offered = Offered::of(200, None, [("Content-Type", &b"text/css"[..])].into_iter());
    for accepts in [None, Some(AcceptEncoding::parse(None)), Some(AcceptEncoding::parse(Some(b"deflate")))] {
        assert_eq!(offered.compression(&rules(), accepts.as_ref()), Compression::NotHere);
    }
    assert!(!offered.varies);
    for vary in ["accept-encoding", "Origin, Accept-Encoding", "*"] {
        assert!(Offered::of(200, None, [("vary", vary.as_bytes())].into_iter()).varies, "{vary}");
    }
}
