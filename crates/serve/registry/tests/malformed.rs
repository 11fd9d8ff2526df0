//! What is wrong gets a 4xx and changes nothing.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;

use common::{Harness, instance};

const JSON: &[&str] = &["Content-Type: application/json"];
const XML: &[&str] = &["Content-Type: application/xml"];
const POST: &str = "POST /eureka/apps/HELLO";

/// Requests without a body that are wrong in their head.
const HEADS: &[(&str, &[&str], u16)] = &[
    ("GET /eureka/apps/%ff", &[], 400),
    ("GET /eureka/apps/HELLO/%00", &[], 400),
    ("GET /eureka/apps/HELLO/a%c3%28", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080?lastDirtyTimestamp=now", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080?lastDirtyTimestamp=1.5", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080?lastDirtyTimestamp=99999999999999999999", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080?overriddenstatus=MAYBE", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080?lastDirtyTimestamp=%ff", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/status", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/status?value=", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/status?value=MAYBE", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/status?value=down", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/status?value=DOWN&lastDirtyTimestamp=x", &[], 400),
    ("DELETE /eureka/apps/HELLO/h1:hello:8080/status?value=MAYBE", &[], 400),
    ("PUT /eureka/apps/HELLO/h1:hello:8080/metadata?a=%ff", &[], 400),
    ("PUT /eureka/apps/HELLO/nobody", &[], 404),
    ("PUT /eureka/apps/NOBODY/h1:hello:8080", &[], 404),
    ("PUT /eureka/apps/HELLO/nobody/status?value=DOWN", &[], 404),
    ("DELETE /eureka/apps/HELLO/nobody/status", &[], 404),
    ("PUT /eureka/apps/HELLO/nobody/metadata?a=b", &[], 404),
    ("DELETE /eureka/apps/HELLO/nobody", &[], 404),
    ("DELETE /eureka/apps/HELLO", &[], 405),
    ("DELETE /eureka/apps", &[], 405),
    ("PATCH /eureka/apps/HELLO/h1:hello:8080", &[], 405),
    ("POST /eureka/apps/HELLO/h1:hello:8080", &[], 405),
    ("POST /eureka/apps/HELLO/h1:hello:8080/metadata?a=b", &[], 405),
    ("GET /eureka/peerreplication/batch", &[], 405),
    ("PUT /eureka/asg/a/status?value=ENABLED", &[], 400),
    ("GET /eureka/apps", &["Accept: text/html"], 406),
    ("DELETE /eureka/apps/HELLO/h1:hello:8080", &["Accept: text/html"], 406),
    ("GET /eureka/nothing", &[], 404),
    ("GET /eureka/v3/apps", &[], 404),
    ("GET /etc/passwd", &[], 404),
    ("GET /eureka/apps/HELLO/h1:hello:8080/nothing", &[], 404),
];

/// Bodies of registrations.
const BODIES: &[(&[&str], &str)] = &[
    (JSON, ""),
    (JSON, "{"),
    (JSON, "null"),
    (JSON, "[]"),
    (JSON, "{\"instance\":"),
    (JSON, "{\"instance\":[]}"),
    (JSON, "{\"instance\":\"x\"}"),
    (JSON, "{\"instance\":{}}"),
    (JSON, "{\"instance\":{\"hostName\":{}}}"),
    (JSON, "{\"applications\":{}}"),
    (JSON, "\u{feff}{}"),
    (JSON, "{\"instance\":{\"instanceId\":\"\\ud800\"}}"),
    (JSON, "<instance/>"),
    (XML, ""),
    (XML, "<instance"),
    (XML, "<instance>"),
    (XML, "<instance></applications>"),
    (XML, "<instance/>"),
    (XML, "<instance/><instance/>"),
    (XML, "<applications/>"),
    (XML, "text"),
    (XML, "<instance><hostName>&nbsp;</hostName></instance>"),
    (XML, "<!DOCTYPE instance [<!ENTITY e \"x\">]><instance><hostName>&e;</hostName></instance>"),
    (XML, "<instance><hostName><b/></hostName></instance>"),
    (XML, "<instance><port>eighty</port></instance>"),
    (XML, "<instance><a a=\"1\" a=\"2\"/></instance>"),
    (XML, "{\"instance\":{}}"),
    (&["Content-Type: text/plain"], "{}"),
    (&[], "{}"),
    (&["Content-Type: application/json", "Content-Encoding: gzip"], "not gzip"),
    (&["Content-Type: application/json", "Content-Encoding: br"], "{}"),
];

/// One field of a good registration made bad.
const FIELDS: &[(&str, &str)] = &[
    ("instanceId", "\"has space\""),
    ("instanceId", "\"a\\u0000b\""),
    ("hostName", "\"\""),
    ("hostName", "null"),
    ("hostName", "[\"h1\"]"),
    ("app", "\"OTHER\""),
    ("app", "\" \""),
    ("app", "null"),
    ("ipAddr", "\"\""),
    ("port", "{\"$\":70000}"),
    ("port", "{\"$\":-1}"),
    ("port", "{\"$\":\"eighty\"}"),
    ("port", "[8080]"),
    ("securePort", "{\"$\":1.5}"),
    ("countryId", "\"KR\""),
    ("dataCenterInfo", "null"),
    ("dataCenterInfo", "\"MyOwn\""),
    ("dataCenterInfo", "{\"name\":\"MyOwn\"}"),
    ("dataCenterInfo", "{\"@class\":\"java.lang.Runtime\",\"name\":\"MyOwn\"}"),
    ("dataCenterInfo", "{\"@class\":\"com.netflix.appinfo.MyDataCenterInfo\",\"name\":\"Elsewhere\"}"),
    ("dataCenterInfo", "{\"@class\":\"com.netflix.appinfo.MyDataCenterInfo\"}"),
    ("leaseInfo", "[]"),
    ("leaseInfo", "{\"durationInSecs\":\"long\"}"),
    ("leaseInfo", "{\"durationInSecs\":99999999999}"),
    ("metadata", "[]"),
    ("metadata", "{\"a\":{\"b\":\"c\"}}"),
    ("lastDirtyTimestamp", "\"yesterday\""),
    ("lastUpdatedTimestamp", "{}"),
    ("status", "{}"),
];

fn unchanged(registry: &Harness, before: u64, what: &str) {
    let view = registry.registry.status();
    assert_eq!((view.generation, view.instances.len()), (before, 1), "{what}");
}

#[tokio::test]
async fn what_is_malformed_gets_4xx_and_changes_nothing() {
    let registry = Harness::start().await;
    registry.register("hello", "h1:hello:8080", 8080).await;
    let before = registry.registry.status().generation;
    for (request, headers, status) in HEADS {
        let answer = registry.raw(request, headers, "").await;
        assert_eq!(answer.status, *status, "{request}: {}", answer.body);
        unchanged(&registry, before, request);
    }
    for (headers, body) in BODIES {
        let answer = registry.raw(POST, headers, body).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
        assert!(!answer.body.is_empty(), "a refusal says why: {body}");
        unchanged(&registry, before, body);
    }
    for (field, value) in FIELDS {
        let mut bad = instance("hello", "h9:hello:9090", 9090);
        bad["instance"][field] = serde_json::from_str(value).unwrap();
        let answer = registry.raw(POST, JSON, &bad.to_string()).await;
        assert_eq!(answer.status, 400, "{field}: {value}");
        unchanged(&registry, before, &format!("{field}: {value}"));
    }
    registry.stop().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let registry = Harness::start().await;
    registry.register("hello", "h1:hello:8080", 8080).await;
    let before = registry.registry.status().generation;
    let mut wide = instance("hello", "h9", 1);
    for n in 0..2_000 {
        wide["instance"]["metadata"][format!("key{n}")] = "v".into();
    }
    let mut long = instance("hello", "h9", 1);
    long["instance"]["homePageUrl"] = "x".repeat(9_000).into();
    let mut heavy = instance("hello", "h9", 1);
    heavy["instance"]["metadata"]["k"] = "x".repeat(7_000).into();
    let deep = format!("{{\"instance\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [wide.to_string(), long.to_string(), deep] {
        assert_eq!(registry.raw(POST, JSON, &body).await.status, 400);
    }
    let nested = format!("{}{}", "<instance>".repeat(10_000), "</instance>".repeat(10_000));
    let many = format!("<instance>{}</instance>", "<a/>".repeat(20_000));
    for body in [nested, many] {
        assert_eq!(registry.raw(POST, XML, &body).await.status, 400);
    }
    unchanged(&registry, before, "too much");
    assert_eq!(registry.raw(POST, JSON, &heavy.to_string()).await.status, 204, "within the limits");
    registry.stop().await;
}

#[tokio::test]
async fn a_compressed_body_may_not_explode() {
    let registry = Harness::start().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..40 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let headers = ["Content-Type: application/json", "Content-Encoding: gzip"];
    assert_eq!(registry.raw_bytes(POST, &headers, &bomb).await.status, 413);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(instance("hello", "h1", 1).to_string().as_bytes()).unwrap();
    assert_eq!(registry.raw_bytes(POST, &headers, &encoder.finish().unwrap()).await.status, 204);
    registry.stop().await;
}
