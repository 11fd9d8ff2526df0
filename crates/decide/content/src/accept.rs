//! Content codings and their negotiation (RFC 9110 §12.5.3).

use smallvec::SmallVec;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `zstd` (RFC 8878)
    Zstd,
    /// `br` (RFC 7932)
    Brotli,
    /// `gzip` (RFC 1952)
    Gzip,
}

impl Coding {
    /// All, the ones that save most first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in `Content-Encoding`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What is put behind a file's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// What a client says of codings: weights in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding {
    zstd: Option<u16>,
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    /// Of all that are not named.
    rest: Option<u16>,
}

impl AcceptEncoding {
    /// Reads the field. Without it nothing is known of the client, so it gets no coding.
    pub fn parse(value: Option<&[u8]>) -> Self {
        let mut accepts = Self::default();
        for element in value.unwrap_or_default().split(|byte| *byte == b',') {
            let mut parts = element.split(|byte| *byte == b';');
            let token = parts.next().unwrap_or_default().trim_ascii();
            let mut weight = 1000;
            for parameter in parts.map(<[u8]>::trim_ascii) {
                if let [b'q' | b'Q', b'=', digits @ ..] = parameter {
                    // What can't be read is not what the client prefers.
                    weight = thousandths(digits).unwrap_or(0);
                }
            }
            let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
            let slot = if is("br") {
                &mut accepts.brotli
            } else if is("zstd") {
                &mut accepts.zstd
            } else if is("gzip") || is("x-gzip") {
                &mut accepts.gzip
            } else if is("identity") {
                &mut accepts.identity
            } else if is("*") {
                &mut accepts.rest
            } else {
                continue;
            };
            *slot = Some(weight);
        }
        accepts
    }

    /// Those of `available` that the client likes at least as much as none, best first; where it doesn't care, in
    /// the order given.
    pub fn ranked(&self, available: &[Coding]) -> SmallVec<[Coding; 3]> {
        let none = self.identity.unwrap_or(0);
        let mut ranked: SmallVec<[Coding; 3]> =
            available.iter().copied().filter(|coding| self.weight(*coding) >= none.max(1)).collect();
        ranked.sort_by_key(|coding| std::cmp::Reverse(self.weight(*coding)));
        ranked
    }

    fn weight(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Zstd => self.zstd,
            Coding::Brotli => self.brotli,
            Coding::Gzip => self.gzip,
        };
        named.or(self.rest).unwrap_or(0)
    }
}

/// A weight: `0`, `1`, and up to three digits behind a point (RFC 9110 §12.4.2).
fn thousandths(digits: &[u8]) -> Option<u16> {
    let (whole, fraction) = match digits {
        [whole] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, worth) in fraction.iter().zip([100, 10, 1]) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        weight += u16::from(digit) * worth;
    }
    (weight <= 1000).then_some(weight)
}
