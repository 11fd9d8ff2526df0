//! Requests that nobody means well with.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use support::{git, program, repository, serve};

/// Sends a target exactly as written, which a client library would tidy up.
fn raw(address: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let reply = String::from_utf8_lossy(&reply).into_owned();
    (reply.split(' ').nth(1).unwrap().parse().unwrap(), reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_the_commit_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    std::fs::write(dir.path().join("secret.txt"), "SECRET").unwrap();
    repository(&repo, &[("app.yml", "v: 1\n"), ("sub/a.txt", "inside\n")]);
    std::os::unix::fs::symlink("../secret.txt", repo.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("..", repo.join("up")).unwrap();
    program(&repo, &["add", "-A"]);
    program(&repo, &["-c", "user.name=T", "-c", "user.email=t@example", "commit", "-qm", "links"]);
    std::fs::write(repo.join("untracked.txt"), "SECRET").unwrap();
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    assert_eq!(served.get("/app/default/main/sub/a.txt").await.body, "inside\n");
    let hostile = [
        "/app/default/main/../secret.txt",
        "/app/default/main/../../../../etc/passwd",
        "/app/default/main/sub/../../secret.txt",
        "/app/default/main/..%2fsecret.txt",
        "/app/default/main/..%2F..%2F..%2Fetc%2Fpasswd",
        "/app/default/main/%2e%2e/secret.txt",
        "/app/default/main/%2e%2e%2fsecret.txt",
        "/app/default/main/%252e%252e/secret.txt",
        "/app/default/main/..%252fsecret.txt",
        "/app/default/main/%25252e%25252e/secret.txt",
        "/app/default/main/....//secret.txt",
        "/app/default/main/..;/secret.txt",
        "/app/default/main/..%5csecret.txt",
        "/app/default/main/..\\secret.txt",
        "/app/default/main/%c0%ae%c0%ae/secret.txt",
        "/app/default/main/%uff0e%uff0e/secret.txt",
        "/app/default/main//etc/passwd",
        "/app/default/main/%2fetc%2fpasswd",
        "/app/default/main/(_)etc(_)passwd",
        "/app/default/main/..(_)secret.txt",
        "/app/default/main/sub(_)..(_)..(_)secret.txt",
        "/app/default/main/.git/config",
        "/app/default/main/.git/HEAD",
        "/app/default/main/.GIT/config",
        "/app/default/main/.git%2fconfig",
        "/app/default/main/sub/../.git/config",
        "/app/default/main/link.txt",
        "/app/default/main/up/secret.txt",
        "/app/default/main/untracked.txt",
        "/app/default/main/a.txt%00.yml",
        "/app/default/main/file:%2f%2f%2fetc%2fpasswd",
        "/app/default/main/./sub/../../secret.txt",
        "/app/default/..(_)..(_)etc/passwd",
        "/app/default/..%2f..%2fetc",
        "/..(_)secret/default",
        "/app/..%2fsecret",
        "/(_)etc(_)passwd/default/main/x",
        "/app/default/.git(_)config",
        "/app/default/main%0d%0aX:%20y/a.txt",
        "/../secret.txt",
        "/..%2fsecret-default.yml",
        "/..(_)secret-default.txt",
    ];
    for target in hostile {
        let (status, reply) = raw(served.address, "GET", target);
        assert!((400..500).contains(&status), "{target}: {reply}");
        assert!(
            !reply.contains("SECRET") && !reply.contains("root:") && !reply.contains("[core]"),
            "{target}: {reply}"
        );
    }
    // Names that are odd but lead nowhere find nothing of their own.
    for target in ["/.git/default", "/.git/config", "/etc(_)passwd/default", "/$%7Bx%7D/default"] {
        let (status, reply) = raw(served.address, "GET", target);
        assert!(status == 200 && reply.contains("\"propertySources\":[]"), "{target}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_4xx_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    let before = served.get("/app/default").await.body;
    let generation = *served.server.watch().borrow();
    let many = vec!["x"; 65].join(",");
    let long = "x".repeat(4000);
    for (method, target) in [
        ("POST", "/app/default"),
        ("PUT", "/app/default"),
        ("DELETE", "/app/default"),
        ("PATCH", "/app-default.yml"),
        ("POST", "/haechi/watch/app/default"),
        ("POST", "/monitor"),
        ("GET", "/monitor"),
        ("GET", "/encrypt"),
        ("GET", "/"),
        ("GET", "/app"),
        ("GET", "/app/"),
        ("GET", "//app/default"),
        ("GET", "/app/default/"),
        ("GET", "/app/-dev"),
        ("GET", "/app/de%20v"),
        ("GET", "/app/%"),
        ("GET", "/app/%ff"),
        ("GET", "/app%23x/default"),
        ("GET", "/app.yml"),
        ("GET", "/haechi/watch/app"),
        ("GET", "/haechi/watch/app/default?since=%ff"),
        ("GET", "/haechi/watch/../app/default"),
        ("GET", &format!("/{many}/default")),
        ("GET", &format!("/app/{many}")),
        ("GET", &format!("/app/default/{many}")),
        ("GET", &format!("/app/default/{long}")),
        ("GET", &format!("/app/default/main/{}", "a/".repeat(100))),
    ] {
        let (status, reply) = raw(served.address, method, target);
        assert!((400..500).contains(&status), "{method} {target}: {reply}");
    }
    for (method, target, allowed) in
        [("PUT", "/app/default", "GET"), ("DELETE", "/monitor", "POST"), ("GET", "/decrypt", "POST")]
    {
        let (status, reply) = raw(served.address, method, target);
        assert!(
            status == 405 && reply.contains(&format!("allow: {allowed}\r\n")),
            "{method} {target}: {reply}"
        );
    }
    let body = served.send("POST", "/monitor", &[("content-type", "application/json")], "{").await;
    assert_eq!(body.status, 400);
    let large = served.send("POST", "/monitor", &[], &"x".repeat((1 << 20) + 1)).await;
    assert_eq!(large.status, 413);
    assert_eq!(served.get("/app/default").await.body, before);
    assert_eq!(*served.server.watch().borrow(), generation);
}
