//! A PROXY header that is taken says the same when it is written anew, and no byte behind it matters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_protocol::{Said, Version, read, write};

/// The file itself: its crate would bring a resolver of names along.
#[path = "../../crates/speak/net/src/proxy_protocol/mod.rs"]
mod proxy_protocol;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(header)) = read(bytes) else { return };
    assert!(header.len <= bytes.len());
    assert_eq!(read(&bytes[..header.len]), Ok(Some(header)));
    for end in 0..header.len {
        assert_eq!(read(&bytes[..end]), Ok(None), "a part of it is taken for something");
    }
    let Said::Proxied(addresses) = header.said else { return };
    let mixed = addresses.source.ip().to_canonical().is_ipv4()
        != addresses.destination.ip().to_canonical().is_ipv4();
    for version in [Version::V1, Version::V2] {
        let anew = write(version, Some(addresses));
        let again = read(&anew).expect("taken again").expect("complete");
        assert_eq!(again.len, anew.len());
        match again.said {
            Said::Proxied(said) => {
                assert_eq!(said.source.port(), addresses.source.port());
                assert_eq!(said.source.ip().to_canonical(), addresses.source.ip().to_canonical());
                assert_eq!(said.destination.ip().to_canonical(), addresses.destination.ip().to_canonical());
            }
            // A line has no way to say that the two are of different families.
            said => assert!(mixed && version == Version::V1 && said == Said::Unknown),
        }
    }
});
