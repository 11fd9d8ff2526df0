//! Which representation of something a client gets (RFC 9110 §§8, 12–14). Pure.
//!
//! [`Asked`] is what a request says about it, [`decide`] judges it against what is there. Nothing here reads a file.

mod accept;
mod asked;
mod compress;
mod condition;
mod decision;
mod etag;
mod media;
mod name;
mod range;

pub use accept::{AcceptEncoding, Coding};
pub use asked::Asked;
pub use compress::{Compress, Compression, Offered};
pub use condition::{Validators, Verdict};
pub use decision::{Decision, decide};
pub use etag::{ETag, lists_strong};
pub use media::{is_compressible, type_of};
pub use name::{BadName, file_name};
pub use range::{MAX_RANGES, Ranges};

/// A moment as HTTP writes it (RFC 9110 §5.6.7), from seconds since 1970.
pub fn http_date(seconds: u64) -> String {
    // The format ends with the year 9999.
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.min(LAST)))
}
