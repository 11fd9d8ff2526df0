//! What is mutated: the tables of malformed requests and answers, the requests that registry and config server are
//! compared with their originals by, and good messages of every kind.

use haechi_testkit::table;

const FRAMING_REQUESTS: &str = include_str!("../../../../serve/gateway/tests/framing/requests.txt");
const FRAMING_ANSWERS: &str = include_str!("../../../../serve/gateway/tests/framing/responses.txt");
const REGISTRY: &str = include_str!("../../../../../tests/compare/eureka_requests.txt");
const CONFIG: &str = include_str!("../../../../../tests/compare/config_requests.txt");

const GOOD: [&str; 14] = [
    "GET /case HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /case HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /text/case?q=1&r=%20 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br;q=0.5, zstd\r\n\r\n",
    "GET /text/case HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "GET /text/case HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n",
    "POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n",
    "POST /case HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "GET /case HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/case HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /files/page.html HTTP/1.1\r\nHost: a\r\nRange: bytes=2-5,7-\r\nIf-None-Match: \"x\"\r\n\r\n",
    "GET /files/../haechi.yaml HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
];

const UPGRADES: [&str; 2] = [
    "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket, h2c\r\n\
     HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
];

const ADMIN: [&str; 14] = [
    "GET / HTTP/1.1",
    "GET /console.js HTTP/1.1",
    "GET /openapi.json HTTP/1.1",
    "GET /api/overview HTTP/1.1",
    "GET /api/events HTTP/1.1",
    "GET /api/live?find=app HTTP/1.1",
    "GET /api/explain?method=GET&target=/case&header=Accept:%20text/plain HTTP/1.1",
    "GET /api/explain?target=%2Ftunnel%2F%C3%A9 HTTP/1.1",
    "GET /api/schema HTTP/1.1",
    "GET /metrics HTTP/1.1",
    "GET /health HTTP/1.1",
    "GET /routes?format=details HTTP/1.1",
    "POST /refresh HTTP/1.1",
    "POST /routes HTTP/1.1",
];

const JSON: &str = r#"{"instance":{"instanceId":"h1:demo:8080","hostName":"h1","app":"DEMO","ipAddr":"127.0.0.1","status":"UP","overriddenStatus":"UNKNOWN","port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"leaseInfo":{"renewalIntervalInSecs":3,"durationInSecs":9},"metadata":{"zone":"z1"},"homePageUrl":"http://h1:8080/","vipAddress":"demo","secureVipAddress":"demo-s","isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"1700000000000","lastDirtyTimestamp":"1700000000000"}}"#;
const XML: &str = "<?xml version=\"1.0\"?><instance><instanceId>h1:demo:8080</instanceId><hostName>h1</hostName><app>DEMO</app>\
    <ipAddr>127.0.0.1</ipAddr><status>UP</status><port enabled=\"true\">8080</port><securePort enabled=\"false\">443</securePort>\
    <countryId>1</countryId><dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name>\
    </dataCenterInfo><leaseInfo><renewalIntervalInSecs>3</renewalIntervalInSecs><durationInSecs>9</durationInSecs></leaseInfo>\
    <metadata><zone>z&amp;1</zone></metadata><vipAddress>demo</vipAddress><lastDirtyTimestamp>1700000000000</lastDirtyTimestamp>\
    </instance>";
const BATCH: &str = r#"{"replicationList":[{"appName":"DEMO","id":"h1:demo:8080","lastDirtyTimestamp":1700000000000,"status":"UP","action":"Heartbeat"},{"appName":"DEMO","id":"h2:demo:8080","lastDirtyTimestamp":1700000000000,"status":"DOWN","action":"Cancel"}]}"#;

/// What requests and bodies are made from.
#[derive(Debug)]
pub struct Seeds {
    pub good: Vec<Vec<u8>>,
    pub malformed: Vec<Vec<u8>>,
    /// A service's answers, some ending with `<close>` or `<reset>` as their table says.
    pub answers: Vec<Vec<u8>>,
    pub upgrades: Vec<Vec<u8>>,
    pub admin: Vec<Parts>,
    pub registry: Vec<Parts>,
    pub config: Vec<Parts>,
}

/// A request whose body is mutated apart from its head.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Without Content-Length and the empty line.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Parts {
    fn new(head: String, body: &str) -> Self {
        Self { head: head.into_bytes(), body: body.as_bytes().to_vec() }
    }

    /// The whole request.
    pub fn whole(&self) -> Vec<u8> {
        self.with(&self.body)
    }

    /// The request with another body and a length that is true.
    pub fn with(&self, body: &[u8]) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        [&self.head[..], length.as_bytes(), body].concat()
    }
}

impl Seeds {
    /// All of them.
    pub fn read() -> Self {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let cases = |text| table::read(text).into_iter().map(|case| case.bytes).collect();
        Self {
            good: bytes(&GOOD),
            malformed: cases(FRAMING_REQUESTS),
            answers: cases(FRAMING_ANSWERS),
            upgrades: bytes(&UPGRADES),
            admin: ADMIN.iter().map(|line| Parts::new(format!("{line}\r\nHost: a\r\n"), "")).collect(),
            registry: compared(REGISTRY),
            config: compared(CONFIG),
        }
    }
}

/// `METHOD TARGET [| Header: value]... [<< body]`, as tests/compare has them. What stands for a body there becomes one here.
fn compared(text: &str) -> Vec<Parts> {
    let lines = text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let parts = lines.map(|line| {
        let (request, body) = line.split_once(" << ").unwrap_or((line, ""));
        let mut fields = request.split(" | ");
        let mut head = format!("{} HTTP/1.1\r\nHost: a\r\n", fields.next().unwrap_or_default().trim());
        for field in fields {
            head.push_str(field.trim());
            head.push_str("\r\n");
        }
        let body = match body.split(' ').next().unwrap_or_default() {
            "@json" | "@bare-json" => JSON,
            "@xml" => XML,
            "@batch" => BATCH,
            _ => body,
        };
        Parts::new(head, body)
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_of_each() {
        let seeds = Seeds::read();
        assert!(seeds.malformed.len() >= 150 && seeds.answers.len() >= 60);
        assert!(seeds.registry.len() >= 100 && seeds.config.len() >= 100);
        let registration = seeds.registry.iter().find(|parts| parts.body == JSON.as_bytes()).unwrap();
        assert!(registration.whole().starts_with(b"POST /eureka/apps/DEMO HTTP/1.1\r\nHost: a\r\n"));
    }
}
