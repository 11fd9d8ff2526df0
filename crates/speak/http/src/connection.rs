//! Connection: what belongs to this connection only (RFC 9110 §7.6.1).

use smallvec::SmallVec;

use crate::Known;
use crate::field::is_token;

/// Fields that a Connection field named: they are removed before the message is passed on. Nearly always empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nominated<'a>(SmallVec<[&'a [u8]; 4]>);

impl Nominated<'_> {
    /// Whether this field was named.
    #[inline]
    pub fn has(&self, name: &str) -> bool {
        !self.0.is_empty() && self.0.iter().any(|named| named.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What the Connection fields of one message say.
#[derive(Debug, Default)]
pub(crate) struct ConnectionOptions<'a> {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
    pub nominated: Nominated<'a>,
}

/// A Connection value is malformed, or names a field that frames or routes the message.
pub(crate) struct BadConnection;

impl<'a> ConnectionOptions<'a> {
    /// Reads one Connection value; there may be several.
    pub fn read(&mut self, value: &'a [u8]) -> Result<(), BadConnection> {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.is_empty() {
                continue;
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominate(option)?;
            }
        }
        Ok(())
    }

    fn nominate(&mut self, option: &'a [u8]) -> Result<(), BadConnection> {
        let name = std::str::from_utf8(option).map_err(|_| BadConnection)?;
        let frames = matches!(
            Known::of(name),
            Known::Host | Known::ContentLength | Known::TransferEncoding | Known::LookAlike
        );
        if frames || !is_token(option) {
            return Err(BadConnection);
        }
        self.nominated.0.push(option);
        Ok(())
    }
}

/// The `timeout` of a Keep-Alive value (RFC 2068 §19.7.1.1), in seconds. What can't be read says nothing.
pub(crate) fn idle_seconds(value: &[u8]) -> Option<u32> {
    value.split(|byte| *byte == b',').find_map(|parameter| {
        let (name, value) = std::str::from_utf8(parameter).ok()?.split_once('=')?;
        let value = value.trim();
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        if !name.trim().eq_ignore_ascii_case("timeout") || !digits {
            return None;
        }
        value.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::idle_seconds;

    #[test]
    fn a_keep_alive_timeout_is_read_and_anything_else_ignored() {
        assert_eq!(idle_seconds(b"timeout=5"), Some(5));
        assert_eq!(idle_seconds(b"max=100, Timeout = 15"), Some(15));
        for other in [
            &b""[..],
            b"timeout",
            b"timeout=",
            b"timeout=+5",
            b"timeout=5s",
            b"max=5",
            b"timeout=99999999999",
            b"\xff=1",
        ] {
            assert_eq!(idle_seconds(other), None, "{other:?}");
        }
    }
}
