//! A ClientHello says the same however it is cut, is kept as it came, and never another name than rustls reads: the
//! service that shakes hands in the end must mean the name that its connection was passed on by.
//!
//! Ours may refuse what rustls takes, and takes hellos that rustls refuses for what is no matter of the name.
#![no_main]

use haechi_tls::{BadHello, ClientHello, HelloReader};
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

fn read(input: &[u8], step: usize) -> Result<Option<ClientHello>, BadHello> {
    let mut reader = HelloReader::default();
    let mut there = 0;
    for piece in input.chunks(step) {
        there += piece.len();
        let found = reader.push(piece)?;
        if found.is_some() {
            assert_eq!(reader.into_bytes(), input[..there]);
            return Ok(found);
        }
    }
    Ok(None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, input)) = bytes.split_first() else { return };
    let whole = read(input, input.len().max(1));
    // What is too long may be refused for something else once all of it is there.
    if whole != Err(BadHello::TooLong) && input.len() < 18 << 10 {
        assert_eq!(read(input, usize::from(*step).max(1)), whole);
    }
    let Ok(Some(ours)) = whole else { return };
    let mut acceptor = Acceptor::default();
    let mut unread = input;
    if acceptor.read_tls(&mut unread).is_err() {
        return;
    }
    if let Ok(Some(accepted)) = acceptor.accept() {
        let theirs = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
        // A trailing dot is left out.
        let theirs = theirs.map(|name| name.strip_suffix('.').unwrap_or(&name).to_owned());
        assert!(theirs.is_none() || theirs == ours.server_name, "{theirs:?} {ours:?}");
    }
});
