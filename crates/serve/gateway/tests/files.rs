//! Files of a folder: validators, ranges, codings, and nothing outside the folder.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{config, route, start, start_at};
use haechi_core::{Clock, ManualClock, SystemClock};
use haechi_gateway::Gateway;
use haechi_route::config::{Action, Files, Filter, GatewayConfig, PathPattern, Symlinks};
use haechi_testkit::{Client, Message};
use tempfile::TempDir;

const MODIFIED: u64 = 1_000_000_000;
const MODIFIED_TEXT: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

fn files_of(root: &Path) -> Files {
    Files {
        root: root.to_owned(),
        index: vec!["index.html".into()],
        fallback: None,
        listing: false,
        precompressed: true,
        cache_control: None,
        hidden: false,
        symlinks: Symlinks::Within,
        types: Vec::new(),
    }
}

fn serving(files: Files) -> GatewayConfig {
    let mut config = config(&[]);
    let mut route =
        route("files", Some(PathPattern::Prefix("/s".into())), &[Filter::StripPrefix("/s".into())]);
    route.action = Action::Files(files);
    config.routes = vec![route];
    config
}

/// Writes a file that was changed long ago.
fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    dated(&path, MODIFIED);
}

fn dated(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Bytes that differ everywhere.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64)
        .flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).to_le_bytes())
        .take(count)
        .collect()
}

async fn folder(change: impl FnOnce(&mut Files)) -> (Gateway, SocketAddr, TempDir) {
    folder_at(SystemClock::start(), change).await
}

/// A clock by which the files were touched just now, however long the test takes.
fn before_the_touch() -> Arc<dyn Clock> {
    ManualClock::at((MODIFIED + 60) * 1000)
}

async fn folder_at(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Files)) -> (Gateway, SocketAddr, TempDir) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "index.html", "<p>home</p>");
    write(root.path(), "a.txt", "0123456789");
    write(root.path(), "sub/index.html", "<p>sub</p>");
    write(root.path(), "large.bin", bytes(1 << 20));
    let mut files = files_of(root.path());
    change(&mut files);
    let (gateway, address) = start_at(clock, serving(files)).await;
    (gateway, address, root)
}

async fn ask(client: &mut Client, method: &str, path: &str, fields: &[(&str, &str)]) -> Message {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let fields = fields.concat();
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n")).await;
    client.response_to(method).await.unwrap()
}

#[tokio::test]
async fn a_file_comes_with_type_length_and_validators() {
    let (_gateway, address, _root) = folder(|files| files.cache_control = Some("max-age=60".into())).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/s/a.txt").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "0123456789"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("last-modified"), Some(MODIFIED_TEXT));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    assert_eq!(answer.field("cache-control"), Some("max-age=60"));
    let etag = answer.field("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.len() > 30, "{etag}");
    assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")));

    let head = ask(&mut client, "HEAD", "/s/a.txt", &[]).await;
    assert_eq!(
        (head.status(), head.field("content-length"), head.field("etag")),
        (200, Some("10"), Some(&*etag))
    );
    for fields in [[("If-None-Match", &*etag)], [("If-Modified-Since", MODIFIED_TEXT)]] {
        let answer = ask(&mut client, "GET", "/s/a.txt", &fields).await;
        assert_eq!((answer.status(), answer.field("etag")), (304, Some(&*etag)));
        assert_eq!((answer.field("content-type"), answer.field("cache-control")), (None, Some("max-age=60")));
    }
    let answer = ask(&mut client, "GET", "/s/a.txt", &[("If-Match", "\"other\"")]).await;
    assert_eq!(answer.status(), 412);
    assert_eq!(client.get("/s/missing").await.status(), 404);
    // All of it on one connection: every answer ended where it said.
    assert_eq!(client.get("/s/a.txt").await.text(), "0123456789");
}

#[tokio::test]
async fn a_large_file_arrives_whole_at_a_client_that_reads_late() {
    let (_gateway, address, root) = folder(|_| {}).await;
    write(root.path(), "huge.bin", bytes(12 << 20));
    let mut client = Client::connect(address).await;
    // Both are asked for before anything is read.
    client.send("GET /s/huge.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /s/a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.response().await.unwrap().body == bytes(12 << 20));
    assert_eq!(client.response().await.unwrap().text(), "0123456789");
}

#[tokio::test]
async fn ranges_give_exactly_the_bytes_that_were_asked_for() {
    let (_gateway, address, _root) = folder_at(before_the_touch(), |_| {}).await;
    let mut client = Client::connect(address).await;
    let whole = bytes(1 << 20);
    for (range, from, to) in [
        ("0-0", 0, 1),
        ("1000-", 1000, 1 << 20),
        ("-5", (1 << 20) - 5, 1 << 20),
        ("65535-65537", 65_535, 65_538),
    ] {
        let range = format!("bytes={range}");
        let answer = ask(&mut client, "GET", "/s/large.bin", &[("Range", &range)]).await;
        assert_eq!(answer.status(), 206, "{range}");
        assert!(answer.body == whole[from..to], "{range}");
        let wanted = format!("bytes {from}-{}/{}", to - 1, 1 << 20);
        assert_eq!(answer.field("content-range"), Some(&*wanted));
    }
    let answer = ask(&mut client, "GET", "/s/large.bin", &[("Range", "bytes=1048576-")]).await;
    assert_eq!((answer.status(), answer.field("content-range")), (416, Some("bytes */1048576")));
    let answer = ask(&mut client, "HEAD", "/s/large.bin", &[("Range", "bytes=0-1")]).await;
    assert_eq!((answer.status(), answer.field("content-length")), (200, Some("1048576")));
    // A part of what is no longer there is not mixed into it. The date is old, but the file was touched just now, so
    // the date could belong to another content.
    let etag = client.get("/s/a.txt").await.field("etag").unwrap().to_owned();
    for (validator, status) in [("\"old\"", 200), (MODIFIED_TEXT, 200), (&*etag, 206)] {
        let fields = [("Range", "bytes=0-1"), ("If-Range", validator)];
        assert_eq!(ask(&mut client, "GET", "/s/a.txt", &fields).await.status(), status, "{validator}");
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts_with_their_own_heads() {
    let (gateway, address, _root) = folder(|_| {}).await;
    let mut client = Client::connect(address).await;
    let answer = ask(&mut client, "GET", "/s/a.txt", &[("Range", "bytes=0-1, 4-4, -2")]).await;
    assert_eq!((answer.status(), answer.field("content-range")), (206, None));
    let boundary =
        answer.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10\r\n\r\n{text}\r\n"
        )
    };
    let wanted =
        [part("0-1", "01"), part("4-4", "4"), part("8-9", "89"), format!("--{boundary}--\r\n")].concat();
    assert_eq!(answer.text(), wanted);
    // More than are looked at: the whole file, and the limit is counted.
    let many = format!("bytes={}", ["0-0"; 17].join(","));
    let answer = ask(&mut client, "GET", "/s/a.txt", &[("Range", &many)]).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "0123456789"));
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"ranges\"} 1"));
}

#[tokio::test]
async fn what_is_compressed_beside_a_file_goes_to_who_takes_it() {
    let (_gateway, address, root) = folder(|_| {}).await;
    for (name, content) in [("app.js", "plain"), ("app.js.br", "brotli"), ("app.js.gz", "gzip")] {
        write(root.path(), name, content);
    }
    write(root.path(), "p.png", "png");
    write(root.path(), "p.png.gz", "gzip");
    let mut client = Client::connect(address).await;
    for (accept, coding, body) in [
        ("gzip, br", Some("br"), "brotli"),
        ("gzip, br;q=0.5", Some("gzip"), "gzip"),
        ("zstd, gzip;q=0.1", Some("gzip"), "gzip"),
        ("zstd", None, "plain"),
        ("br;q=0", None, "plain"),
        ("", None, "plain"),
    ] {
        let answer = ask(&mut client, "GET", "/s/app.js", &[("Accept-Encoding", accept)]).await;
        assert_eq!((answer.field("content-encoding"), answer.text().as_str()), (coding, body), "{accept}");
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{accept}");
        assert_eq!(answer.field("content-type"), Some("text/javascript; charset=utf-8"), "{accept}");
    }
    let plain = ask(&mut client, "GET", "/s/app.js", &[]).await;
    let coded = ask(&mut client, "GET", "/s/app.js", &[("Accept-Encoding", "br")]).await;
    assert_ne!(plain.field("etag"), coded.field("etag"), "they are two representations");
    let picture = ask(&mut client, "GET", "/s/p.png", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!((picture.field("vary"), picture.text().as_str()), (None, "png"));
    // A compressed one that was forgotten when the file changed is not sent.
    dated(&root.path().join("app.js"), MODIFIED + 1);
    let answer = ask(&mut client, "GET", "/s/app.js", &[("Accept-Encoding", "br")]).await;
    assert_eq!((answer.field("content-encoding"), answer.text().as_str()), (None, "plain"));
}

#[tokio::test]
async fn a_folder_is_its_index_and_needs_its_slash() {
    let (_gateway, address, _root) = folder(|_| {}).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/s/").await.text(), "<p>home</p>");
    assert_eq!(client.get("/s/sub/").await.text(), "<p>sub</p>");
    let answer = client.get("/s/sub?q=1").await;
    assert_eq!((answer.status(), answer.field("location")), (301, Some("/s/sub/?q=1")));
    let answer = client.get("/s").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "<p>home</p>"));
    assert_eq!(client.get("/s/a.txt/").await.status(), 404, "a file is no folder");
    assert_eq!(client.get("/s/a.txt/x").await.status(), 404);
}

#[tokio::test]
async fn only_get_and_head_get_a_file() {
    let (_gateway, address, _root) = folder(|_| {}).await;
    let mut client = Client::connect(address).await;
    for (method, status) in [("POST", 405), ("PUT", 405), ("DELETE", 405), ("TRACE", 405), ("OPTIONS", 204)] {
        let answer = ask(&mut client, method, "/s/a.txt", &[]).await;
        assert_eq!(
            (answer.status(), answer.field("allow")),
            (status, Some("GET, HEAD, OPTIONS")),
            "{method}"
        );
    }
    let answer = ask(&mut client, "GET", "/s/a.txt", &[]).await;
    assert_eq!(answer.text(), "0123456789");
}

#[tokio::test]
async fn nothing_outside_the_folder_and_nothing_hidden_is_served() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.txt", "secret");
    let (_gateway, address, root) = folder(|_| {}).await;
    let root = root.path();
    write(root, ".env", "secret");
    write(root, ".git/config", "secret");
    write(root, ".well-known/acme-challenge/token", "public");
    write(root, "a\\b", "secret");
    symlink(outside.path(), root.join("out")).unwrap();
    symlink(outside.path().join("secret.txt"), root.join("absolute.txt")).unwrap();
    symlink(format!("../{}/secret.txt", outside.path().file_name().unwrap().display()), root.join("up.txt"))
        .unwrap();
    symlink("missing", root.join("dangling.txt")).unwrap();
    symlink("loop.txt", root.join("loop.txt")).unwrap();
    symlink("/proc/self/environ", root.join("environ")).unwrap();
    symlink("a.txt", root.join("inside.txt")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let mut client = Client::connect(address).await;
    for path in [
        "/s/out/secret.txt",
        "/s/absolute.txt",
        "/s/up.txt",
        "/s/dangling.txt",
        "/s/loop.txt",
        "/s/environ",
        "/s/.env",
        "/s/%2eenv",
        "/s/.git/config",
        "/s/.git/",
        "/s/pipe",
        "/s/out/",
        "/s/a.txt%20",
        "/s/a.txt.",
        &format!("/s/{}", "a".repeat(4000)),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(!answer.text().contains("secret"), "{path}");
    }
    for path in [
        "/s/../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s/..%2fsecret.txt",
        "/s/..%5csecret.txt",
        "/s/..\\secret.txt",
        "/s/a.txt%00.html",
        "/s/a%5cb",
        "/s/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/s/..;/secret.txt",
        "/s/%zz",
        "/s/a%0d%0ab",
    ] {
        let mut client = Client::connect(address).await;
        let status = client.get(path).await.status();
        assert_eq!(status, 400, "{path}");
    }
    assert_eq!(client.get("/s/.well-known/acme-challenge/token").await.text(), "public");
    assert_eq!(client.get("/s/inside.txt").await.text(), "0123456789");
    assert_eq!(client.get("/s//sub//index.html").await.text(), "<p>sub</p>");
    // Double encoding names a file that isn't there; it is decoded once.
    assert_eq!(client.get("/s/%252e%252e/secret.txt").await.status(), 404);
}

#[tokio::test]
async fn links_can_be_forbidden_altogether() {
    let (_gateway, address, root) = folder(|files| files.symlinks = Symlinks::Never).await;
    symlink("a.txt", root.path().join("inside.txt")).unwrap();
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/s/inside.txt").await.status(), 404);
    assert_eq!(client.get("/s/a.txt").await.status(), 200);
}

#[tokio::test]
async fn a_page_that_routes_by_itself_gets_its_fallback() {
    let (_gateway, address, _root) = folder(|files| files.fallback = Some("/index.html".into())).await;
    let mut client = Client::connect(address).await;
    for path in ["/s/users/7", "/s/users/", "/s/users"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "<p>home</p>"), "{path}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(client.get("/s/missing.js").await.status(), 404);
    assert_eq!(client.get("/s/.git").await.status(), 404);
}

#[tokio::test]
async fn a_folder_is_listed_only_when_that_was_asked_for() {
    let (_gateway, address, root) = folder(|files| files.listing = true).await;
    write(root.path(), "list/<b>&.txt", "x");
    write(root.path(), "list/.hidden", "x");
    fs::create_dir(root.path().join("list/below")).unwrap();
    let mut client = Client::connect(address).await;
    let page = client.get("/s/list/").await;
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    assert!(text.contains("<a href=\"./%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt</a>"), "{text}");
    assert!(text.contains("<a href=\"./below/\">below/</a>") && !text.contains("hidden"), "{text}");

    let (_gateway, address, root) = folder(|_| {}).await;
    write(root.path(), "list/a", "x");
    assert_eq!(Client::connect(address).await.get("/s/list/").await.status(), 404);
}

#[tokio::test]
async fn a_changed_file_is_seen_at_once_and_has_another_tag() {
    let (_gateway, address, root) = folder_at(before_the_touch(), |_| {}).await;
    let mut client = Client::connect(address).await;
    let mut tags = Vec::new();
    for content in ["0123456789", "9876543210", "abcdefghij", "0123456789"] {
        // The same length and date, so that only the content tells.
        write(root.path(), "a.txt", content);
        let answer = client.get("/s/a.txt").await;
        assert_eq!(answer.text(), content);
        tags.push(answer.field("etag").unwrap().to_owned());
    }
    assert_eq!(tags[0], tags[3], "the same bytes have the same tag");
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3);
    // The large one's tag is weak while a change could still hide.
    let large = client.get("/s/large.bin").await;
    assert!(large.field("etag").unwrap().starts_with("W/\""), "{:?}", large.field("etag"));
    fs::remove_file(root.path().join("a.txt")).unwrap();
    assert_eq!(client.get("/s/a.txt").await.status(), 404);
}

#[tokio::test]
async fn the_folder_may_be_a_link_that_moves_to_the_next_release() {
    let releases = tempfile::tempdir().unwrap();
    let releases = releases.path();
    write(releases, "1/a.txt", "one");
    write(releases, "2/a.txt", "two");
    symlink("1", releases.join("current")).unwrap();
    let (_gateway, address) = start(serving(files_of(&releases.join("current")))).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/s/a.txt").await.text(), "one");
    symlink("2", releases.join("next")).unwrap();
    fs::rename(releases.join("next"), releases.join("current")).unwrap();
    assert_eq!(client.get("/s/a.txt").await.text(), "two");
    fs::remove_file(releases.join("current")).unwrap();
    assert_eq!(client.get("/s/a.txt").await.status(), 404);
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_never_looks_whole() {
    let (_gateway, address, root) = folder(|_| {}).await;
    let size = 64 << 20;
    File::create(root.path().join("shrinks.bin")).unwrap().set_len(size).unwrap();
    let mut client = Client::connect(address).await;
    client.send("GET /s/shrinks.bin HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The answer has begun, and more than the sockets hold is still to come.
    let mut first = [0; 1];
    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut first).await.unwrap();
    File::options().write(true).open(root.path().join("shrinks.bin")).unwrap().set_len(1000).unwrap();
    let rest = client.rest().await;
    assert!((rest.len() as u64) < size, "it was cut: {}", rest.len());
    assert_eq!(Client::connect(address).await.get("/s/shrinks.bin").await.body.len(), 1000);
}

#[tokio::test]
async fn http_1_0_keeps_its_connection_if_it_asks_to() {
    let (_gateway, address, _root) = folder(|_| {}).await;
    let mut client = Client::connect(address).await;
    for _ in 0..2 {
        client.send("GET /s/a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        let answer = client.response().await.unwrap();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("0123456789", Some("keep-alive")));
    }
    client.send("GET /s/a.txt HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn what_the_kernel_has_to_fetch_from_disk_arrives_too() {
    // Not in /tmp: memory is never fetched.
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (name, size) in [("small.bin", 60_000), ("large.bin", 3 << 20)] {
        write(root.path(), name, bytes(size));
        let file = File::open(root.path().join(name)).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let (_gateway, address) = start(serving(files_of(root.path()))).await;
    let mut client = Client::connect(address).await;
    for (name, size) in [("small.bin", 60_000), ("large.bin", 3 << 20)] {
        assert!(client.get(&format!("/s/{name}")).await.body == bytes(size), "{name}");
    }
}

#[tokio::test]
async fn curl_downloads_resumes_and_revalidates() {
    let (_gateway, address, root) = folder(|_| {}).await;
    write(root.path(), "huge.bin", bytes(8 << 20));
    let work = tempfile::tempdir().unwrap();
    let url = format!("http://{address}/s/huge.bin");
    let curl = async |arguments: &[&str]| {
        let output = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--write-out", "%{http_code} %{size_download}"])
            .args(arguments)
            .current_dir(work.path())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl(&["-o", "whole", "--etag-save", "tag", &url]).await, "200 8388608");
    assert!(fs::read(work.path().join("whole")).unwrap() == bytes(8 << 20));
    fs::write(work.path().join("part"), &bytes(8 << 20)[..5_000_001]).unwrap();
    assert_eq!(curl(&["-o", "part", "-C", "-", &url]).await, "206 3388607");
    assert!(fs::read(work.path().join("part")).unwrap() == bytes(8 << 20));
    assert_eq!(curl(&["-o", "again", "--etag-compare", "tag", &url]).await, "304 0");
    let date = ["-o", "again", "-z", "Mon, 10 Sep 2001 00:00:00 GMT", &url];
    assert_eq!(curl(&date).await, "304 0");
    // A stream of HTTP/2 is served like a connection.
    fs::write(work.path().join("part"), &bytes(8 << 20)[..5_000_001]).unwrap();
    assert_eq!(curl(&["--http2-prior-knowledge", "-o", "part", "-C", "-", &url]).await, "206 3388607");
    assert!(fs::read(work.path().join("part")).unwrap() == bytes(8 << 20));
}
