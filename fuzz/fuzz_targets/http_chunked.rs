//! A chunked body means the same however it is cut, and written anew it is read to the same data.
#![no_main]

use haechi_http::{BadBody, Body, RequestFraming, write_chunk, write_last_chunk};
use libfuzzer_sys::fuzz_target;

fn read(input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), BadBody> {
    let mut body = Body::of_request(RequestFraming::Chunked, 4096);
    let (mut data, mut at) = (Vec::new(), 0);
    while at < input.len() {
        let end = (at + step).min(input.len());
        let piece = body.read(&input[at..end])?;
        data.extend_from_slice(piece.data);
        at += piece.consumed;
        if piece.done {
            return Ok((data, at, true));
        }
        assert!(piece.consumed > 0);
    }
    Ok((data, at, false))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, input)) = bytes.split_first() else { return };
    let whole = read(input, usize::MAX >> 1);
    assert_eq!(read(input, usize::from(*step).max(1)), whole);
    if let Ok((data, _, true)) = whole {
        let mut anew = Vec::new();
        write_chunk(&mut anew, &data);
        write_last_chunk(&mut anew);
        assert_eq!(read(&anew, 7), Ok((data, anew.len(), true)));
    }
});
