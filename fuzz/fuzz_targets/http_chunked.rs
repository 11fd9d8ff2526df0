//! A chunked body means the same however it is cut, and written anew it is read to the same data and trailers.
#![no_main]

use haechi_http::{BadBody, Body, RequestFraming, write_chunk, write_last_chunk};
use libfuzzer_sys::fuzz_target;

/// What was read: data, trailer lines, bytes used, and whether the body ended.
type Read = (Vec<u8>, Vec<u8>, usize, bool);

fn read(input: &[u8], step: usize) -> Result<Read, BadBody> {
    let mut body = Body::of_request(RequestFraming::Chunked, 4096);
    body.keep_trailers();
    let (mut data, mut at, mut done) = (Vec::new(), 0, false);
    while at < input.len() && !done {
        let end = (at + step).min(input.len());
        let piece = body.read(&input[at..end])?;
        data.extend_from_slice(piece.data);
        at += piece.consumed;
        done = piece.done;
        assert!(done || piece.consumed > 0);
    }
    Ok((data, body.trailers().to_vec(), at, done))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, input)) = bytes.split_first() else { return };
    let whole = read(input, usize::MAX >> 1);
    assert_eq!(read(input, usize::from(*step).max(1)), whole);
    if let Ok((data, trailers, _, true)) = whole {
        let mut anew = Vec::new();
        write_chunk(&mut anew, &data);
        write_last_chunk(&mut anew, &trailers);
        assert_eq!(read(&anew, 7), Ok((data, trailers, anew.len(), true)));
    }
});
