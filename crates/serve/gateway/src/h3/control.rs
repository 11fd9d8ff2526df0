//! Streams that carry no request: control streams both ways, and QPACK's from the client.

use std::future::poll_fn;
use std::rc::Rc;

use haechi_http::h3::{self, code, frame, stream};
use quinn::RecvStream;

use super::frames::{Frames, Trouble, trouble};
use super::session::Session;

/// Bytes of a client's SETTINGS, at most.
const SETTINGS: u64 = 4 << 10;

/// The only instruction to a dynamic table of no bytes: that it shall have none (RFC 9204 §4.3.1).
const NO_CAPACITY: u8 = 0x20;

/// Sends the gateway's settings, and the GOAWAY when it leaves. Ends with the connection: a control stream may not
/// end before.
pub(super) async fn send(session: Rc<Session>) {
    let Ok(mut stream) = session.connection.open_uni().await else { return };
    if stream.write_all(&h3::control_stream(session.head_limits.head_bytes as u64)).await.is_err() {
        return;
    }
    tokio::select! {
        _ = session.connection.closed() => return,
        () = session.leaving.notified() => {}
    }
    if let Some(id) = session.goaway()
        && stream.write_all(&h3::goaway(id)).await.is_ok()
    {
        session.connection.closed().await;
    }
}

/// Reads a stream that the client opened.
pub(super) async fn receive(mut stream: RecvStream, session: Rc<Session>) {
    let done = match kind(&mut stream).await {
        Ok(Some(stream::CONTROL)) => control(stream, &session).await,
        Ok(Some(stream::PUSH)) => Err(Trouble::Connection(code::STREAM_CREATION_ERROR)),
        Ok(Some(stream::QPACK_ENCODER)) => encoder(&mut stream, &session).await,
        Ok(Some(stream::QPACK_DECODER)) => decoder(&mut stream, &session).await,
        // One of a type that is not known means nothing (RFC 9114 §6.2).
        Ok(Some(_)) => {
            let _ = stream.stop(super::code(code::STREAM_CREATION_ERROR));
            session.nothing()
        }
        Ok(None) => session.nothing(),
        Err(trouble) => Err(trouble),
    };
    if let Err(trouble @ Trouble::Connection(_)) = done {
        session.broken(trouble);
    }
}

/// A stream's type. Nothing when it ended before.
async fn kind(stream: &mut RecvStream) -> Result<Option<u64>, Trouble> {
    let mut bytes = [0; 8];
    let mut have = 0;
    loop {
        let want = if have == 0 { 1 } else { h3::number_length(bytes[0]) };
        if have == want {
            return Ok(h3::read_number(&bytes).map(|(kind, _)| kind));
        }
        match stream.read(&mut bytes[have..want]).await {
            Ok(Some(count)) => have += count,
            Ok(None) => return Ok(None),
            Err(error) => return Err(trouble(&error)),
        }
    }
}

async fn control(stream: RecvStream, session: &Session) -> Result<(), Trouble> {
    if session.controlled.replace(true) {
        return Err(Trouble::Connection(code::STREAM_CREATION_ERROR));
    }
    let mut frames = Frames::new(stream);
    let mut settled = false;
    loop {
        let (kind, length) = match poll_fn(|cx| frames.poll_next(cx)).await {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(Trouble::Reset) => {
                return Err(Trouble::Connection(code::CLOSED_CRITICAL_STREAM));
            }
            Err(trouble) => return Err(trouble),
        };
        match (kind, settled) {
            (frame::SETTINGS, false) => {
                settled = true;
                if length > SETTINGS {
                    return Err(Trouble::Connection(code::EXCESSIVE_LOAD));
                }
                let mut settings = vec![0; length as usize];
                read(&mut frames, &mut settings).await?;
                if !h3::are_settings(&settings) {
                    return Err(Trouble::Connection(code::SETTINGS_ERROR));
                }
                continue;
            }
            (_, false) => return Err(Trouble::Connection(code::MISSING_SETTINGS)),
            (frame::SETTINGS, true) => return Err(Trouble::Connection(code::FRAME_UNEXPECTED)),
            _ => {}
        }
        if matches!(frame::place(kind), frame::Place::Request | frame::Place::Nowhere) {
            return Err(Trouble::Connection(code::FRAME_UNEXPECTED));
        }
        // GOAWAY, MAX_PUSH_ID and CANCEL_PUSH are about pushes, of which there are none.
        session.nothing()?;
        let mut left = length;
        let mut bytes = [0; 256];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            read(&mut frames, &mut bytes[..most]).await?;
            left -= most as u64;
        }
    }
}

async fn read(frames: &mut Frames, mut area: &mut [u8]) -> Result<(), Trouble> {
    while !area.is_empty() {
        let count = poll_fn(|cx| frames.poll_read(cx, area)).await?;
        area = &mut area[count..];
    }
    Ok(())
}

async fn encoder(stream: &mut RecvStream, session: &Session) -> Result<(), Trouble> {
    let mut bytes = [0; 64];
    loop {
        match stream.read(&mut bytes).await {
            Ok(Some(count)) if bytes[..count].iter().all(|byte| *byte == NO_CAPACITY) => session.nothing()?,
            Ok(Some(_)) => return Err(Trouble::Connection(code::QPACK_ENCODER_STREAM_ERROR)),
            ended => return closed(ended),
        }
    }
}

/// What a client says of a table that there is not can't matter.
async fn decoder(stream: &mut RecvStream, session: &Session) -> Result<(), Trouble> {
    let mut bytes = [0; 64];
    loop {
        match stream.read(&mut bytes).await {
            Ok(Some(_)) => session.nothing()?,
            ended => return closed(ended),
        }
    }
}

/// QPACK's streams may not end before the connection (RFC 9204 §4.2).
fn closed(ended: Result<Option<usize>, quinn::ReadError>) -> Result<(), Trouble> {
    match ended.map_err(|error| trouble(&error)) {
        Ok(_) | Err(Trouble::Reset) => Err(Trouble::Connection(code::CLOSED_CRITICAL_STREAM)),
        Err(trouble) => Err(trouble),
    }
}
