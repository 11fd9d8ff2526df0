//! Where our answers differ from Spring's, on purpose.

/// A family of differences.
#[derive(Debug)]
pub struct Difference {
    /// The decision's heading in `docs/decisions/0203-eureka-differences.md`.
    pub decision: &'static str,
    /// Spring's status and ours.
    pub statuses: (u64, u64),
    /// Which requests it covers: each holds one of these.
    pub requests: &'static [&'static str],
}

impl Difference {
    pub fn covers(&self, request: &str, original: u64, ours: u64) -> bool {
        // A request with nothing before or after it is meant as it stands.
        let meant = |part: &&str| {
            if part.starts_with("GET ") {
                request == *part || request.starts_with(&format!("{part} |"))
            } else {
                request.contains(*part)
            }
        };
        self.statuses == (original, ours) && self.requests.iter().any(meant)
    }
}

pub const DECIDED: &[Difference] = &[
    Difference {
        decision: "JSON wins whenever Accept mentions it",
        statuses: (406, 200),
        requests: &["Accept: text/json"],
    },
    Difference {
        decision: "JSON wins whenever Accept mentions it",
        statuses: (200, 200),
        requests: &["Accept: application/json;q=0.1, application/xml"],
    },
    Difference { decision: "Pages of our own", statuses: (200, 200), requests: &["GET /", "GET /lastn"] },
    Difference { decision: "Status answers", statuses: (500, 200), requests: &["GET /eureka/status"] },
    Difference { decision: "No description of the paths", statuses: (200, 405), requests: &["OPTIONS "] },
    Difference {
        decision: "A wrong value is the client's mistake",
        statuses: (500, 400),
        requests: &[
            "lastDirtyTimestamp=nonsense",
            "status?value=NONSENSE",
            "PUT /eureka/apps/DEMO/h1:demo:8080/status",
            "<< null",
            "<< <application/>",
            "json << {}",
        ],
    },
    Difference {
        decision: "A wrong value is the client's mistake",
        statuses: (200, 400),
        requests: &["value=DOWN&lastDirtyTimestamp=nonsense"],
    },
    Difference {
        decision: "A wrong value is the client's mistake",
        statuses: (204, 400),
        requests: &["port.$=70000", "port.$=eighty", "lastDirtyTimestamp=yesterday"],
    },
    Difference {
        decision: "A wrong value is the client's mistake",
        statuses: (200, 404),
        requests: &["GET /eureka/apps/ODD/o5"],
    },
    // Listings that hold, at the original, the instance with port 70000.
    Difference {
        decision: "A wrong value is the client's mistake",
        statuses: (200, 200),
        requests: &[
            "GET /eureka/apps/ODD",
            "GET /eureka/apps | Accept: application/json",
            "GET /eureka/apps/delta",
        ],
    },
    Difference {
        decision: "An empty parameter is an absent one",
        statuses: (500, 200),
        requests: &["?lastDirtyTimestamp="],
    },
    Difference {
        decision: "Encoded slashes are part of a name",
        statuses: (400, 200),
        requests: &["GET /eureka/apps/ODD/a%2Fb"],
    },
    Difference {
        decision: "Encoded slashes are part of a name",
        statuses: (400, 404),
        requests: &["..%2F..%2Fetc"],
    },
    Difference {
        decision: "Refusals are plain text that says what is wrong",
        statuses: (400, 400),
        requests: &[
            "@json -",
            "app=OTHER",
            "{\"instance\":{}}",
            "{\"instance\":{\"port\":8080}}",
            "<< <instance/>",
            "@xml -hostName",
            "not gzip",
            "POST /eureka/apps/%20",
            "DEMO%00",
            "GET /eureka/apps/%FF",
        ],
    },
    Difference {
        decision: "A batch's bad item is refused alone",
        statuses: (400, 200),
        requests: &["@batch Nonsense"],
    },
    Difference {
        decision: "A batch's bad item is refused alone",
        statuses: (200, 200),
        requests: &["{\"replicationList\":[{}]}"],
    },
    Difference {
        decision: "Nothing makes the parser spin",
        statuses: (0, 400),
        requests: &["{\"instance\":[]}"],
    },
];
