//! From a request's fields and what is there to the answer's status.

use std::ops::Range;

use smallvec::SmallVec;

use crate::asked::Asked;
use crate::condition::{Validators, Verdict};
use crate::range::Ranges;

/// How a GET or HEAD of something that is there is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 200. `limited` says that ranges were asked for, but too many of them.
    Whole {
        /// Whether the limit on ranges struck.
        limited: bool,
    },
    /// 206 with these, in this order; at least one.
    Parts(SmallVec<[Range<u64>; 1]>),
    /// 304
    NotModified,
    /// 412
    Failed,
    /// 416
    Unsatisfiable,
}

/// Decides. Ranges are GET's alone (RFC 9110 §14.2).
pub fn decide(asked: &Asked, is_get: bool, there: &Validators, length: u64) -> Decision {
    match asked.verdict(there) {
        Verdict::Failed => return Decision::Failed,
        Verdict::NotModified => return Decision::NotModified,
        Verdict::Proceed => {}
    }
    let ranges = match &asked.range {
        Some(value) if is_get && asked.range_applies(there) => Ranges::parse(value, length),
        _ => Ranges::Whole,
    };
    match ranges {
        Ranges::Whole => Decision::Whole { limited: false },
        Ranges::TooMany => Decision::Whole { limited: true },
        Ranges::Unsatisfiable => Decision::Unsatisfiable,
        Ranges::Some(ranges) => Decision::Parts(ranges),
    }
}
