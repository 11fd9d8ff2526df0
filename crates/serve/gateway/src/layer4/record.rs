//! What is kept of a connection or session that was passed on: a line in the access log.

use haechi_core::WallTime;
use haechi_route::config::{Layer4, LogFormat};

use super::RunningLayer4;
use crate::access_log::{escape, failed_json, failed_text, micros, number};
use crate::exchange::Timing;
use crate::worker::Worker;

/// What went through.
#[derive(Debug)]
pub(crate) struct Passed<'a> {
    pub kind: Layer4,
    /// The client's address.
    pub ip: &'a str,
    pub listener: &'a str,
    /// The name that the client asked for.
    pub name: Option<&'a str>,
    /// Bytes that the client sent.
    pub received: u64,
    /// Bytes that the service sent.
    pub sent: u64,
    /// Datagrams of the client and of the service, for UDP.
    pub datagrams: Option<(u64, u64)>,
}

/// Writes the line of a connection or session that ended so.
pub(crate) fn record(
    worker: &Worker,
    route: &RunningLayer4,
    passed: &Passed<'_>,
    ended: &'static str,
    timing: &Timing,
) {
    let now = worker.now();
    let plan = worker.plan.borrow();
    let Some(writer) = &plan.log else { return };
    let line = Line {
        route: route.config.name.as_str(),
        service: route.service.name.as_str(),
        endpoint: timing.endpoint.as_ref().map_or("-", |endpoint| endpoint.text.as_str()),
        passed,
        ended,
        timing,
        connect_us: micros(timing.connected.since(timing.attempted)),
        total_us: micros(now.since(timing.started)),
    };
    let wall = worker.wall(now);
    worker.lines.add_with(writer, wall, &worker.stats.access_log_dropped, |out, date, format| match format {
        LogFormat::Text => line.write_text(out, date),
        LogFormat::Json => line.write_json(out, date, wall, now),
    });
}

struct Line<'a> {
    route: &'a str,
    service: &'a str,
    endpoint: &'a str,
    passed: &'a Passed<'a>,
    ended: &'static str,
    timing: &'a Timing,
    connect_us: u64,
    total_us: u64,
}

impl Line<'_> {
    /// Whether a number is said: UDP makes no connections, and others count no datagrams.
    fn has(&self, key: &str) -> bool {
        let is_udp = self.passed.datagrams.is_some();
        if key.starts_with("datagrams") { is_udp } else { !(is_udp && key.starts_with("connect")) }
    }

    /// The columns of a request's line: the kind for the method, the listener for the target, no status.
    fn write_text(&self, out: &mut Vec<u8>, date: &str) {
        let Passed { kind, ip, listener, name, received, sent, datagrams } = *self.passed;
        let kind = kind.as_str();
        for part in [date, " ", ip, " \"", kind, " ", listener, "\" ", name.unwrap_or("-"), " - "] {
            out.extend_from_slice(part.as_bytes());
        }
        number(out, sent);
        for part in [" ", self.route, " ", self.service, " ", self.endpoint, " attempts="] {
            out.extend_from_slice(part.as_bytes());
        }
        number(out, self.timing.attempts);
        let (of_client, of_service) = datagrams.unwrap_or_default();
        let numbers = [
            ("received", received, ""),
            ("datagrams-received", of_client, ""),
            ("datagrams-sent", of_service, ""),
            ("connect", self.connect_us, "us"),
            ("total", self.total_us, "us"),
        ];
        for (key, value, unit) in numbers.into_iter().filter(|(key, ..)| self.has(key)) {
            for part in [" ", key, "="] {
                out.extend_from_slice(part.as_bytes());
            }
            number(out, value);
            out.extend_from_slice(unit.as_bytes());
        }
        failed_text(out, self.timing);
        for part in [" end=", self.ended, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    fn write_json(&self, out: &mut Vec<u8>, date: &str, wall: WallTime, now: haechi_core::Instant) {
        let Passed { kind, ip, listener, name, received, sent, datagrams } = *self.passed;
        let texts = [
            ("{\"time\":\"", date),
            ("\",\"client\":\"", ip),
            ("\",\"protocol\":\"", kind.as_str()),
            ("\",\"listener\":\"", listener),
            ("\",\"host\":\"", name.unwrap_or("-")),
            ("\",\"route\":\"", self.route),
            ("\",\"service\":\"", self.service),
            ("\",\"endpoint\":\"", self.endpoint),
            ("\",\"end\":\"", self.ended),
        ];
        for (key, value) in texts {
            out.extend_from_slice(key.as_bytes());
            escape(out, value);
        }
        out.push(b'"');
        let (of_client, of_service) = datagrams.unwrap_or_default();
        let numbers = [
            ("bytes", sent),
            ("received", received),
            ("datagrams_received", of_client),
            ("datagrams_sent", of_service),
            ("attempts", self.timing.attempts.into()),
            ("connect_us", self.connect_us),
            ("total_us", self.total_us),
        ];
        for (key, value) in numbers.into_iter().filter(|(key, _)| self.has(key)) {
            for part in [",\"", key, "\":"] {
                out.extend_from_slice(part.as_bytes());
            }
            number(out, value);
        }
        failed_json(out, self.timing, wall, now);
        out.extend_from_slice(b"}\n");
    }
}
