//! What is asked, and what was answered.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::load::Workload;
use crate::load::connection::{Answer, Failure};

/// One in so many requests is a POST.
const POSTS: u64 = 4;

/// GETs that failed and are told of in words.
const TOLD: usize = 10;

/// Requests that name themselves, three GETs to each POST.
#[derive(Debug)]
pub struct Requests {
    /// The number of the first.
    pub first: u64,
}

/// Whether the request with this number is a POST.
pub const fn is_post(number: u64) -> bool {
    number % POSTS == POSTS - 1
}

/// Bytes of the answer to a request: one that belongs to another request shows.
pub const fn body_of(number: u64) -> usize {
    16 + (number % 97) as usize
}

/// The number of the request that begins with these bytes, once that much of it is there.
pub fn number_of(head: &[u8]) -> Option<u64> {
    let target = head.split(|byte| *byte == b' ').nth(1)?;
    // With another space behind it, it is whole.
    head.iter().filter(|byte| **byte == b' ').nth(1)?;
    std::str::from_utf8(target.strip_prefix(b"/")?).ok()?.parse().ok()
}

impl Workload for Requests {
    fn request<'a>(&'a self, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let number = self.first + number;
        scratch.clear();
        // Writing to memory can't fail.
        let _ = if is_post(number) {
            write!(scratch, "POST /{number:09} HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\nabc")
        } else {
            write!(scratch, "GET /{number:09} HTTP/1.1\r\nHost: app\r\n\r\n")
        };
        scratch
    }

    fn check(&self, _: &Answer) -> Result<(), Failure> {
        // Which answers are right depends on the request: `Got` knows.
        Ok(())
    }
}

/// What clients got.
#[derive(Debug, Default)]
pub struct Got {
    pub gets: u64,
    pub failed_gets: u64,
    /// Some of the failed GETs, in words.
    pub told: Vec<String>,
    /// The status of each POST; 0 without a right answer.
    pub posts: BTreeMap<u64, u16>,
}

impl Got {
    /// Notes how a request ended.
    pub fn note(&mut self, number: u64, outcome: &Result<Answer, Failure>) {
        let status = match outcome {
            Ok(answer) if answer.status == 200 && answer.body_len != body_of(number) as u64 => 0,
            Ok(answer) => answer.status,
            Err(_) => 0,
        };
        if is_post(number) {
            self.posts.insert(number, status);
            return;
        }
        self.gets += 1;
        if status != 200 {
            self.failed_gets += 1;
            if self.told.len() < TOLD {
                self.told.push(format!("GET /{number:09}: {outcome:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_itself_in_its_first_bytes() {
        let (requests, mut scratch) = (Requests { first: 40 }, Vec::new());
        let post = requests.request(3, &mut scratch);
        assert!(post.starts_with(b"POST /000000043 "));
        assert_eq!((number_of(&post[..24]), number_of(&post[..12])), (Some(43), None));
        assert!(requests.request(4, &mut Vec::new()).starts_with(b"GET "));
    }
}
