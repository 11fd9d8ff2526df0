//! The access log: each worker collects lines, a thread of its own (`log_writer.rs`) writes them. A slow disk costs
//! lines, which are counted, and never a request's time.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use haechi_core::{Instant, WallTime};
use haechi_route::config::LogFormat;

use crate::exchange::{Outcome, Timing};
use crate::log_writer::Writer;
use crate::prepare::{ClientFacts, RequestFacts};
use crate::route::{Destination, RunningRoute};
use crate::stats::Counter;

/// Lines are handed over when this many bytes are there, or at the next sweep.
const BATCH: usize = 64 << 10;

/// One worker's lines on their way to the writer.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    batch: RefCell<Vec<u8>>,
    count: Cell<u64>,
    date: RefCell<Date>,
}

/// What a line says.
pub(crate) struct Entry<'a> {
    pub client: &'a ClientFacts,
    pub route: Option<&'a RunningRoute>,
    pub facts: &'a RequestFacts,
    pub outcome: &'a Outcome,
    pub timing: &'a Timing,
    pub now: Instant,
    pub wall: WallTime,
}

impl Lines {
    /// Adds a request's line.
    pub fn add(&self, writer: &Writer, entry: &Entry<'_>, dropped: &Counter) {
        self.add_with(writer, entry.wall, dropped, |out, date, format| match format {
            LogFormat::Json => write_json(out, entry, date),
            LogFormat::Text => write_text(out, entry, date),
        });
    }

    /// Adds the line that `write` writes.
    #[inline]
    pub fn add_with(
        &self,
        writer: &Writer,
        wall: WallTime,
        dropped: &Counter,
        write: impl FnOnce(&mut Vec<u8>, &str, LogFormat),
    ) {
        let mut batch = self.batch.borrow_mut();
        let mut date = self.date.borrow_mut();
        write(&mut batch, date.of(wall), writer.config.format);
        self.count.set(self.count.get() + 1);
        if batch.len() >= BATCH {
            drop(batch);
            self.flush(writer, dropped);
        }
    }

    /// Hands the lines over. When the queue is full they are dropped and counted.
    pub fn flush(&self, writer: &Writer, dropped: &Counter) {
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            return;
        }
        let capacity = batch.capacity();
        let full = std::mem::replace(&mut *batch, Vec::with_capacity(capacity));
        let lines = self.count.replace(0);
        if !writer.write(full) {
            dropped.add(lines);
        }
    }
}

/// RFC 3339 dates, of which only the end changes from line to line.
#[derive(Debug, Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn of(&mut self, wall: WallTime) -> &str {
        let second = wall.0 / 1000;
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = WallTime(second * 1000).to_string();
        }
        let millis = wall.0 % 1000;
        // `…:13.042Z`: the three digits before the last character.
        let at = self.text.len().saturating_sub(4);
        self.text.truncate(at);
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            self.text.push(char::from(b'0' + digit as u8));
        }
        self.text.push('Z');
        &self.text
    }
}

pub(crate) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Name and microseconds of each phase.
fn phases(entry: &Entry<'_>) -> [(&'static str, u64); 5] {
    let timing = entry.timing;
    [
        ("pick", micros(timing.attempted.since(timing.started))),
        ("connect", micros(timing.connected.since(timing.attempted))),
        ("wait", micros(timing.sent.since(timing.connected))),
        ("first_byte", micros(timing.first_byte.since(timing.sent))),
        ("total", micros(entry.now.since(timing.started))),
    ]
}

fn names<'a>(entry: &'a Entry<'_>) -> (&'a str, &'a str, &'a str) {
    let route = entry.route.map_or("-", |route| route.name.as_str());
    let service = match entry.route.map(|route| &route.destination) {
        Some(Destination::Service(service)) => service.name.as_str(),
        _ => "-",
    };
    (route, service, entry.timing.endpoint.as_ref().map_or("-", |endpoint| endpoint.text.as_str()))
}

fn write_text(out: &mut Vec<u8>, entry: &Entry<'_>, date: &str) {
    let (method, target, host) = entry.facts.line.parts();
    let (route, service, endpoint) = names(entry);
    let protocol = entry.client.protocol.name(entry.facts.version);
    for part in [date, " ", &entry.client.ip, " \"", method, " ", target, " ", protocol, "\" ", host, " "] {
        out.extend_from_slice(part.as_bytes());
    }
    number(out, entry.outcome.status);
    out.push(b' ');
    number(out, entry.outcome.body_bytes);
    for part in [" ", route, " ", service, " ", endpoint, " attempts="] {
        out.extend_from_slice(part.as_bytes());
    }
    number(out, entry.timing.attempts);
    for (name, micros) in phases(entry) {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        number(out, micros);
        out.extend_from_slice(b"us");
    }
    failed_text(out, entry.timing);
    if let Some(failure) = entry.outcome.failure {
        out.extend_from_slice(b" error=");
        out.extend_from_slice(failure.proxy_status().as_bytes());
    }
    out.push(b'\n');
}

/// The attempts that led to no answer.
pub(crate) fn failed_text(out: &mut Vec<u8>, timing: &Timing) {
    for failed in &timing.failed {
        for part in [" failed=", &failed.endpoint.text, "/", failed.failure.proxy_status()] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// The same as a field of an object.
pub(crate) fn failed_json(out: &mut Vec<u8>, timing: &Timing, wall: WallTime, now: Instant) {
    for (index, failed) in timing.failed.iter().enumerate() {
        let before = micros(now.since(failed.at)) / 1000;
        let at = WallTime(wall.0.saturating_sub(before)).to_string();
        let opening = if index == 0 { ",\"failed\":[{\"endpoint\":\"" } else { "},{\"endpoint\":\"" };
        let parts = [
            opening,
            &failed.endpoint.text,
            "\",\"time\":\"",
            &at,
            "\",\"error\":\"",
            failed.failure.proxy_status(),
            "\"",
        ];
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if !timing.failed.is_empty() {
        out.extend_from_slice(b"}]");
    }
}

fn write_json(out: &mut Vec<u8>, entry: &Entry<'_>, date: &str) {
    let (method, target, host) = entry.facts.line.parts();
    let (route, service, endpoint) = names(entry);
    let texts = [
        ("{\"time\":\"", date),
        ("\",\"client\":\"", entry.client.ip.as_str()),
        ("\",\"method\":\"", method),
        ("\",\"host\":\"", host),
        ("\",\"target\":\"", target),
        ("\",\"protocol\":\"", entry.client.protocol.name(entry.facts.version)),
        ("\",\"route\":\"", route),
        ("\",\"service\":\"", service),
        ("\",\"endpoint\":\"", endpoint),
    ];
    for (key, value) in texts {
        out.extend_from_slice(key.as_bytes());
        escape(out, value);
    }
    out.extend_from_slice(b"\",\"status\":");
    number(out, entry.outcome.status);
    out.extend_from_slice(b",\"bytes\":");
    number(out, entry.outcome.body_bytes);
    out.extend_from_slice(b",\"attempts\":");
    number(out, entry.timing.attempts);
    for (name, micros) in phases(entry) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"_us\":");
        number(out, micros);
    }
    failed_json(out, entry.timing, entry.wall, entry.now);
    if let Some(failure) = entry.outcome.failure {
        out.extend_from_slice(b",\"error\":\"");
        out.extend_from_slice(failure.proxy_status().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Everything that reaches a line is visible ASCII or a name from the configuration; two bytes need care.
pub(crate) fn escape(out: &mut Vec<u8>, value: &str) {
    if !value.bytes().any(|byte| byte == b'"' || byte == b'\\') {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    for byte in value.bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_follows_its_clock() {
        let mut date = Date::default();
        for millis in [0, 1_795_297_093_042, 1_795_297_093_999, 1_795_297_094_001] {
            assert_eq!(date.of(WallTime(millis)), WallTime(millis).to_string());
        }
    }

    #[test]
    fn quotes_are_escaped() {
        let mut out = Vec::new();
        escape(&mut out, r#"a"b\c"#);
        assert_eq!(out, br#"a\"b\\c"#);
    }
}
