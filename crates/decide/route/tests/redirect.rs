//! Where redirects lead, as a table.

use haechi_route::config::{Asked, Redirect, RedirectPath, Scheme};

const HTTP: Scheme = Scheme::Http;
const HTTPS: Scheme = Scheme::Https;

fn to(scheme: Option<Scheme>, host: Option<&str>, port: Option<u16>, path: RedirectPath) -> Redirect {
    Redirect { status: 302, scheme, host: host.map(str::to_owned), port, path }
}

#[test]
fn a_redirect_changes_what_it_says_and_nothing_else() {
    use RedirectPath::{Full, Keep, Prefix};
    let full = |path: &str| Full(path.to_owned());
    let prefix = |from: &str, to: &str| Prefix { from: from.to_owned(), to: to.to_owned() };
    let on_8080 = Some(("shop.example", Some(8080)));
    let plain = Some(("shop.example", None));
    let v6 = Some(("[::1]", Some(80)));
    let table = [
        // A path alone while the place stays.
        (to(None, None, None, full("/new")), HTTP, on_8080, "/a/b", None, "/new"),
        (to(None, None, None, full("/new")), HTTP, None, "/a/b", Some("q=1"), "/new?q=1"),
        (to(None, None, None, prefix("/a", "/z")), HTTP, plain, "/a/b", Some(""), "/z/b?"),
        (to(None, None, None, prefix("/a", "/")), HTTP, plain, "/a/b", None, "/b"),
        (to(None, None, None, prefix("/a", "/")), HTTP, plain, "/a", None, "/"),
        (to(None, None, None, prefix("", "/z")), HTTP, plain, "/a", None, "/z/a"),
        // Another scheme brings its own port, and its default port is not written.
        (to(Some(HTTPS), None, None, Keep), HTTP, on_8080, "/a", None, "https://shop.example/a"),
        (to(Some(HTTPS), None, Some(443), Keep), HTTP, plain, "/a", None, "https://shop.example/a"),
        (to(Some(HTTPS), None, Some(8443), Keep), HTTP, plain, "/a", None, "https://shop.example:8443/a"),
        (to(Some(HTTP), None, Some(443), Keep), HTTPS, plain, "/", None, "http://shop.example:443/"),
        // Without one the client's stays.
        (to(None, Some("b.example"), None, Keep), HTTP, on_8080, "/a", None, "http://b.example:8080/a"),
        (to(None, Some("b.example"), None, Keep), HTTPS, plain, "/a", None, "https://b.example/a"),
        (to(None, None, Some(81), Keep), HTTP, v6, "/", Some("x"), "http://[::1]:81/?x"),
        (to(None, Some("b.example"), None, Keep), HTTP, v6, "/", None, "http://b.example/"),
    ];
    for (redirect, scheme, host, path, query, wanted) in table {
        let asked = Asked { scheme, host, path, query };
        assert_eq!(redirect.location(&asked).as_deref(), Some(wanted), "{redirect:?} {asked:?}");
    }
}

#[test]
fn another_scheme_needs_a_host_to_lead_to() {
    let redirect = to(Some(HTTPS), None, None, RedirectPath::Keep);
    let asked = Asked { scheme: HTTP, host: None, path: "/", query: None };
    assert_eq!(redirect.location(&asked), None);
}
