//! Files of a folder as answers.
//!
//! `prepare.rs` reads from the request's head what [`Wanted`] holds; `find.rs` opens the file; `content.rs` reads or
//! remembers it; `answer.rs` decides with `haechi-content` what is sent; `send.rs` sends it. No step keeps the
//! worker's thread waiting for a disk: what the kernel doesn't hold in memory is read by a helper thread.

mod answer;
mod cache;
mod content;
mod find;
mod listing;
mod open;
mod send;

use std::sync::Arc;

use haechi_content::Asked;
use haechi_http::Version;
use haechi_route::config::Files;

pub(crate) use cache::Cache;

use crate::client::Client;
use crate::exchange::{Outcome, Then, Timing};
use crate::failure::Failure;
use crate::own::Ready;
use crate::prepare::{AnsweredHere, Reply};
use crate::record::record;
use crate::route::Destination;
use crate::way::{respond, skip_body};
use crate::worker::Worker;
use answer::Answer;
use content::Content;
use find::Found;

/// What a request wants of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The file's name, relative to the folder; empty for the folder itself.
    pub name: Vec<u8>,
    /// Whether the path ended with a slash.
    pub is_folder: bool,
    /// GET, not HEAD.
    pub is_get: bool,
    pub asked: Asked,
    /// Where the client is sent if the name is a folder's and had no slash.
    pub with_slash: String,
}

/// How often it is looked again when a file changes while it is read.
const LOOKS: usize = 3;

/// Answers with a file.
pub(crate) async fn answer(client: &mut Client, asked: AnsweredHere, worker: &Worker) -> Then {
    let AnsweredHere { mut facts, reply, route, mut body } = asked;
    let (Reply::File(wanted), Some(route)) = (reply, route) else { return Then::Close };
    let Destination::Files(files) = &route.destination else { return Then::Close };
    let passed = skip_body(&mut body, &mut client.pending);
    let keep = passed && facts.keep_alive && !worker.draining.get();
    let sent = match look(&wanted, files, worker).await {
        Ok(answer) => send::send(client, &answer, &route, &facts, keep, worker).await,
        Err(failure) => Err(failure),
    };
    let outcome = sent.unwrap_or_else(|failure| {
        let keep = keep && facts.version == Version::Http11;
        let then = respond(client, failure, keep, &facts, worker);
        Outcome { status: failure.status(), failure: Some(failure), body_bytes: 0, then }
    });
    let timing = Timing::new(facts.started);
    record(worker, client, Some(&route), &facts, &outcome, &timing);
    worker.buffers.give(std::mem::take(&mut facts.line.bytes));
    outcome.then
}

/// Finds the file and decides the answer.
async fn look(wanted: &Wanted, files: &Arc<Files>, worker: &Worker) -> Result<Answer, Failure> {
    for _ in 0..LOOKS {
        let found = find::find(wanted, files).await?;
        let opened = match found {
            Found::File(opened) => opened,
            Found::Slash => {
                let fields = format!("Location: {}\r\n", wanted.with_slash).into_bytes();
                return Ok(Answer::ready(Ready { status: 301, fields, body: Vec::new() }));
            }
            Found::Listing(page) => {
                let mut fields = b"Content-Type: text/html; charset=utf-8\r\n".to_vec();
                fields.extend_from_slice(b"Content-Security-Policy: default-src 'none'\r\n");
                return Ok(Answer::ready(Ready { status: 200, fields, body: page.into_bytes() }));
            }
        };
        if let Some(content) = Content::of(&opened, worker).await? {
            return Ok(Answer::new(wanted, files, &opened, content, worker));
        }
    }
    Err(Failure::FileUnreadable)
}
