//! The handshake of RFC 6455 for a side that does without it: over HTTP/2 a WebSocket is an extended CONNECT.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::rng::Rng;
use haechi_http::ResponseHead;
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The gateway's own key, sent to a service that speaks HTTP/1.1.
#[derive(Debug)]
pub(super) struct Handshake {
    pub key: String,
}

impl Handshake {
    pub fn new(rng: &mut Rng) -> Self {
        let nonce: Vec<u8> = (0..2).flat_map(|_| rng.u64(..).to_ne_bytes()).collect();
        Self { key: STANDARD.encode(nonce) }
    }

    /// Whether the service's answer was made for this key.
    pub fn is_accepted(&self, head: &ResponseHead<'_>) -> bool {
        let expected = accept(self.key.as_bytes());
        let mut fields = head.fields().iter();
        fields.any(|field| {
            field.name.eq_ignore_ascii_case("sec-websocket-accept") && field.value == expected.as_bytes()
        })
    }
}

/// What a service says to a client's key.
pub(super) fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_to_a_key_is_the_rfcs() {
        assert_eq!(super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
