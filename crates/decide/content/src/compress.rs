//! Which answers of services are compressed on their way.

use smallvec::SmallVec;

use crate::accept::{AcceptEncoding, Coding};
use crate::media::is_compressible;

/// What is compressed on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// Codings, the preferred one first.
    pub encodings: Vec<Coding>,
    /// Bytes of the smallest answer that is compressed, where its length is known; at least 1.
    pub min_size: u64,
    /// Media types: whole ones, or `text/*`. Empty is every type that gets smaller.
    pub types: Vec<String>,
    /// Also what may carry secrets: answers with `Set-Cookie`, and to requests with `Cookie` or `Authorization`.
    /// Whoever can make a browser ask for them, with guesses in the request, learns the secrets from the length
    /// (BREACH).
    pub secrets: bool,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// It is not for compressing.
    Never,
    /// This client gets it as it is; another one might not.
    NotHere,
    /// With this.
    With(Coding),
}

/// What the fields of an answer say about compressing it.
#[derive(Clone, Debug, Default)]
pub struct Offered<'a> {
    media: &'a [u8],
    length: Option<u64>,
    /// One of: coded already, not to be transformed, a part of something, or with a sum of its bytes.
    fixed: bool,
    sets_cookie: bool,
    /// Whether it only says that the client's copy is good (304), about which it need not say more.
    copy_is_good: bool,
    /// Whether `Vary` says already that codings differ, or everything.
    pub varies: bool,
}

impl<'a> Offered<'a> {
    /// Reads the fields.
    pub fn of(status: u16, length: Option<u64>, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut offered = Self { length, copy_is_good: status == 304, ..Self::default() };
        offered.fixed = status < 200 || matches!(status, 204..=206);
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match name.len() {
                4 if is("vary") => {
                    offered.varies |= lists(value, "accept-encoding") || lists(value, "*");
                }
                // RFC 9530: sums of the bytes as they are sent, or as they are coded.
                6 if is("digest") => offered.fixed = true,
                10 if is("set-cookie") => offered.sets_cookie = true,
                11 if is("repr-digest") || is("content-md5") => offered.fixed = true,
                12 if is("content-type") => offered.media = value,
                // RFC 9110 §7.7.
                13 if is("cache-control") => offered.fixed |= lists(value, "no-transform"),
                13 if is("content-range") => offered.fixed = true,
                14 if is("content-digest") => offered.fixed = true,
                16 if is("content-encoding") => offered.fixed |= !value.eq_ignore_ascii_case(b"identity"),
                _ => {}
            }
        }
        offered
    }

    /// Decides; of 304, about the answer that the client would have got instead (RFC 9110 §15.4.5). `accepts` is nothing
    /// if the request may carry secrets or can't get a coded answer at all.
    pub fn compression(&self, rules: &Compress, accepts: Option<&AcceptEncoding>) -> Compression {
        let media = std::str::from_utf8(self.media).unwrap_or_default();
        // What 304 says of a length is wrong too often.
        let large = self.copy_is_good || self.length.is_none_or(|length| length >= rules.min_size.max(1));
        let takes = rules.takes(media) || self.copy_is_good && media.is_empty();
        if self.fixed || !large || !takes || (self.sets_cookie && !rules.secrets) {
            return Compression::Never;
        }
        let ranked = accepts.map(|accepts| accepts.ranked(&rules.encodings));
        ranked
            .and_then(|ranked: SmallVec<_>| ranked.first().copied())
            .map_or(Compression::NotHere, Compression::With)
    }
}

impl Compress {
    fn takes(&self, media: &str) -> bool {
        if self.types.is_empty() {
            return is_compressible(media);
        }
        let essence = media.split(';').next().unwrap_or_default().trim_ascii();
        self.types.iter().any(|wanted| match wanted.strip_suffix("/*") {
            Some(kind) => essence.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(kind)),
            None => essence.eq_ignore_ascii_case(wanted),
        })
    }
}

/// Whether a list has this member, whatever its case.
fn lists(value: &[u8], member: &str) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
}
