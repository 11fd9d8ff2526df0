//! Malformed and ambiguous messages against the real gateway, judged by the bytes that came out of it.
//!
//! `requests.txt` and `responses.txt` hold the cases; `haechi_testkit::table` says how to read them. What the service (or the
//! client) received must be what the table says for a reader that forgives nothing, and for hyper; what the service
//! received also for readers that forgive what real servers forgive. After each case the same client and another
//! one ask again and must get their own answers.
#![allow(clippy::unwrap_used)]

mod careless;
#[path = "../common/mod.rs"]
mod common;
mod real;
mod recorder;
mod strict;

use std::net::SocketAddr;
use std::time::Duration;

use common::config;
use haechi_testkit::Client;
use haechi_testkit::table::{self, Case};
use recorder::{Recorder, Says, Then};
use strict::{Kind, Message};
use tokio::io::AsyncWriteExt;

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// No case may take this long: it hangs.
const HANGS: Duration = Duration::from_secs(5);

/// How a client cuts its bytes into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Whole,
    Pieces,
}

#[tokio::test]
async fn requests_reach_the_service_as_one_meaning_or_not_at_all() {
    let cases = table::read(include_str!("requests.txt"));
    assert!(cases.len() >= 150, "{} cases", cases.len());
    run(&cases, request).await;
}

#[tokio::test]
async fn answers_reach_the_client_whole_or_visibly_not() {
    let cases = table::read(include_str!("responses.txt"));
    assert!(cases.len() >= 60, "{} cases", cases.len());
    run(&cases, response).await;
}

/// The forgiving readers are worth asking only if they differ about what the gateway refuses.
#[test]
fn the_readers_disagree_about_what_is_refused() {
    let cases = table::read(include_str!("requests.txt"));
    let disagree = |case: &&Case| {
        let seen = careless::ALL.iter().map(|habits| careless::requests(&case.bytes, *habits));
        let seen: Vec<_> = seen.collect();
        case.expect == "400" && seen.iter().any(|one| *one != seen[0])
    };
    let count = cases.iter().filter(disagree).count();
    assert!(count >= 70, "{count}");
}

/// Runs every case both ways and tells of all that failed.
async fn run(cases: &[Case], judge: impl AsyncFn(&Case, Cut) -> Result<(), String>) {
    let mut failed = Vec::new();
    for case in cases {
        for cut in [Cut::Whole, Cut::Pieces] {
            let verdict = tokio::time::timeout(HANGS, judge(case, cut)).await;
            if let Err(why) = verdict.unwrap_or_else(|_| Err("it hangs".to_owned())) {
                failed.push(format!("{} ({}, {cut:?}): {why}", case.name, case.section));
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// What a case of requests expects.
enum Expected<'a> {
    /// An answer of the gateway's own, after which the connection is kept or not.
    Refused { status: &'a str, kept: bool },
    /// The client goes in the middle of it, and no whole request may come of it.
    Cut,
    /// These requests reach the service, after which the connection is kept or not.
    Passed { requests: Vec<&'a str>, kept: bool },
}

impl<'a> Expected<'a> {
    fn of(case: &'a Case) -> Self {
        match case.expect.split_once(' ') {
            None if case.expect == "cut" => Self::Cut,
            None => Self::Refused { status: &case.expect, kept: false },
            Some((status, "kept")) => Self::Refused { status, kept: true },
            Some((how @ ("pass" | "last"), requests)) => {
                Self::Passed { requests: requests.split(" + ").collect(), kept: how == "pass" }
            }
            _ => panic!("{}: what is {:?}?", case.name, case.expect),
        }
    }
}

async fn request(case: &Case, cut: Cut) -> Result<(), String> {
    let recorder = Recorder::start(None).await;
    let (gateway, address) = common::start(config(&[recorder.address])).await;
    // Now there is a pooled connection for the case to spoil.
    check_own(address, "/warm").await?;
    let expected = Expected::of(case);
    let mut bytes = case.bytes.clone();
    if !matches!(expected, Expected::Cut) {
        bytes.extend_from_slice(NEXT.as_bytes());
    }
    let answers = exchange(address, &bytes, cut, matches!(expected, Expected::Cut)).await;
    check_own(address, "/other").await?;
    drop(gateway);
    let received = recorder.received().await;
    judge_answers(&answers, &expected)?;
    judge_received(&received, &expected, cut).await
}

/// Sends bytes and returns everything that comes back before the connection ends.
async fn exchange(address: SocketAddr, bytes: &[u8], cut: Cut, leave: bool) -> Vec<u8> {
    let mut client = Client::connect(address).await;
    let piece = if cut == Cut::Whole { bytes.len() } else { bytes.len().div_ceil(400) };
    for piece in bytes.chunks(piece) {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    if leave {
        // The gateway may have closed already.
        let _ = client.stream.shutdown().await;
    }
    client.rest().await;
    client.seen().to_vec()
}

/// Asks for a path that no case names; the answer must be the one for it.
async fn check_own(address: SocketAddr, path: &str) -> Result<(), String> {
    let answer = Client::connect(address).await.try_get(path).await;
    let text = answer.map(|answer| answer.text()).unwrap_or_default();
    if text == format!("GET {path}|") { Ok(()) } else { Err(format!("{path} was answered {text:?}")) }
}

/// Final answers only.
fn finals(answers: &[u8], kind: Kind) -> Result<Vec<Message>, String> {
    let (mut messages, rest) = strict::messages(answers, kind)?;
    if !rest.is_empty() {
        return Err(format!("not a whole answer: {}", rest.escape_ascii()));
    }
    messages.retain(|message| !message.start.starts_with('1'));
    Ok(messages)
}

/// What the client got: an answer to each request in order, and the connection's end where it belongs.
fn judge_answers(answers: &[u8], expected: &Expected<'_>) -> Result<(), String> {
    if matches!(expected, Expected::Cut) {
        return Ok(());
    }
    let answers = finals(answers, Kind::Responses { to_head: false })?;
    let (mut wanted, kept) = match expected {
        Expected::Refused { status, kept } => (vec![(*status).to_owned()], *kept),
        Expected::Passed { requests, kept } => (vec!["200".to_owned(); requests.len()], *kept),
        Expected::Cut => (Vec::new(), false),
    };
    wanted.extend(kept.then(|| "200".to_owned()));
    let statuses: Vec<&str> = answers.iter().map(|answer| answer.start.as_str()).collect();
    if statuses != wanted {
        return Err(format!("the client got {statuses:?} instead of {wanted:?}"));
    }
    let last = answers.last().ok_or("no answer")?;
    if last.field("connection") != Some("close") {
        return Err(format!("the connection ended without a word: {last}"));
    }
    if kept && last.body != b"GET /next|" {
        return Err(format!("/next was answered {last}"));
    }
    Ok(())
}

/// What the service got, but for the requests around the case.
async fn judge_received(received: &[Vec<u8>], expected: &Expected<'_>, cut: Cut) -> Result<(), String> {
    // The head of a request whose body turns out to be broken may have gone out; a whole request never.
    let may_begin = match expected {
        Expected::Cut => true,
        Expected::Refused { kept, .. } => !kept && cut == Cut::Pieces,
        Expected::Passed { .. } => false,
    };
    let mut seen = Vec::new();
    for bytes in received {
        let (messages, rest) = strict::messages(bytes, Kind::Requests)?;
        if !rest.is_empty() && !may_begin {
            return Err(format!("a piece reached the service: {}", rest.escape_ascii()));
        }
        let plain: Vec<_> = messages.iter().map(|m| (m.start.clone(), m.body.clone())).collect();
        for habits in careless::ALL {
            let theirs = careless::requests(bytes, *habits);
            if theirs != plain {
                return Err(format!("the reader {:?} sees {theirs:?} for {plain:?}", habits.name));
            }
        }
        let (theirs, complaint) = real::requests(bytes).await;
        if theirs != plain || complaint.is_some() && rest.is_empty() {
            return Err(format!("hyper sees {theirs:?}, {complaint:?} for {plain:?}"));
        }
        seen.extend(messages.into_iter().map(|mut message| {
            message.fields.retain(|(name, _)| !is_of_gateway(name));
            message.to_string()
        }));
    }
    let mut wanted = vec!["GET /warm {}".to_owned(), "GET /other {}".to_owned()];
    match expected {
        Expected::Cut | Expected::Refused { kept: false, .. } => {}
        Expected::Refused { kept: true, .. } => wanted.push("GET /next {}".to_owned()),
        Expected::Passed { requests, kept } => {
            wanted.extend(requests.iter().map(|text| (*text).to_owned()));
            wanted.extend(kept.then(|| "GET /next {}".to_owned()));
        }
    }
    let mut seen: Vec<&str> = seen.iter().map(|text| text.trim_end()).collect();
    seen.sort_unstable();
    wanted.sort_unstable();
    if seen == wanted { Ok(()) } else { Err(format!("the service got {seen:?} instead of {wanted:?}")) }
}

/// Fields that the gateway writes itself.
fn is_of_gateway(name: &str) -> bool {
    ["host", "via"].contains(&name.to_ascii_lowercase().as_str())
        || name.to_ascii_lowercase().starts_with("x-forwarded-")
}

async fn response(case: &Case, cut: Cut) -> Result<(), String> {
    let (bytes, then) = match (case.bytes.strip_suffix(b"<close>"), case.bytes.strip_suffix(b"<reset>")) {
        (Some(bytes), _) => (bytes, Then::Close),
        (_, Some(bytes)) => (bytes, Then::Reset),
        _ => (&case.bytes[..], Then::Stay),
    };
    let recorder = Recorder::start(Some(Says { bytes: bytes.to_vec(), then })).await;
    let (gateway, address) = common::start(config(&[recorder.address])).await;
    check_own(address, "/warm").await?;
    // The next request ends the connection, where the answer did not.
    let asked = [&case.request, NEXT.as_bytes()].concat();
    let answers = exchange(address, &asked, cut, false).await;
    check_own(address, "/other").await?;
    check_own(address, "/others").await?;
    drop(gateway);
    let received = recorder.received().await;
    let method = if case.request.starts_with(b"HEAD") { "HEAD" } else { "GET" };
    judge_case_answer(case, &answers, method).await?;
    if case.expect.starts_with("pass ") {
        return Ok(());
    }
    // A connection on which the service lied carries nothing more.
    for bytes in received {
        let (messages, _) = strict::messages(&bytes, Kind::Requests)?;
        let at = messages.iter().position(|message| message.start.ends_with(" /case"));
        if at.is_some_and(|at| at + 1 < messages.len()) {
            return Err(format!("the connection was used again: {}", bytes.escape_ascii()));
        }
    }
    Ok(())
}

async fn judge_case_answer(case: &Case, answers: &[u8], method: &str) -> Result<(), String> {
    let kind = Kind::Responses { to_head: method == "HEAD" };
    let real = real::response(answers, method).await;
    if case.expect == "abort" {
        let (messages, rest) = strict::messages(answers, kind)?;
        let whole = messages.iter().find(|message| !message.start.starts_with('1'));
        return match (whole, real) {
            (None, Err(_)) if !rest.is_empty() => Ok(()),
            (whole, real) => Err(format!("it looks whole: {whole:?}, to hyper {real:?}")),
        };
    }
    let mut rest = answers;
    let mut first = None;
    while first.is_none() {
        let (message, len) = strict::first(rest, kind)?.ok_or("the client got no whole answer")?;
        rest = &rest[len..];
        first = Some(message).filter(|message| !message.start.starts_with('1'));
    }
    let first = first.ok_or("no answer")?;
    if real.as_ref().map(|(status, body)| (status.to_string(), body)).ok()
        != Some((first.start.clone(), &first.body))
    {
        return Err(format!("hyper sees {real:?} for {first}"));
    }
    let next = finals(rest, Kind::Responses { to_head: false })?;
    let next: Vec<&[u8]> = next.iter().map(|next| &next.body[..]).collect();
    let closes = first.field("connection") == Some("close");
    let own: &[&[u8]] = if closes { &[] } else { &[b"GET /next|"] };
    let as_wanted = match case.expect.strip_prefix("pass ") {
        Some(wanted) => first.to_string().trim_end() == wanted,
        None => first.start == case.expect,
    };
    if as_wanted && next == own {
        Ok(())
    } else {
        Err(format!("the client got {first} and {next:?} instead of {}", case.expect))
    }
}
