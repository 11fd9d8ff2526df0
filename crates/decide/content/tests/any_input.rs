//! Whatever a client sends: no panic, and what is selected is there.

use haechi_content::{Asked, Decision, ETag, Ranges, Validators, decide, file_name};
use proptest::prelude::*;

proptest! {
    #[test]
    fn ranges_lie_within_the_length(value in "(bytes=)?[0-9, -]{0,40}", length in 0u64..100) {
        if let Ranges::Some(ranges) = Ranges::parse(value.as_bytes(), length) {
            prop_assert!(!ranges.is_empty());
            for range in &ranges {
                prop_assert!(range.start < range.end && range.end <= length);
            }
            prop_assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= length);
        }
    }

    #[test]
    fn any_fields_are_decided(
        names in proptest::collection::vec(0usize..7, 0..6),
        value in proptest::collection::vec(any::<u8>(), 0..30),
    ) {
        const NAMES: [&str; 7] = ["range", "if-match", "if-none-match", "if-range", "if-modified-since",
            "if-unmodified-since", "accept-encoding"];
        let asked = Asked::of(names.iter().map(|name| (NAMES[*name], value.as_slice())));
        let etag = ETag { weak: false, opaque: "x".to_owned() };
        let there = Validators { etag, modified: 0, settled: true };
        let whole = Decision::Whole { limited: false };
        if names.is_empty() {
            prop_assert_eq!(decide(&asked, true, &there, 10), whole);
        } else {
            let _ = decide(&asked, true, &there, 10);
        }
    }

    #[test]
    fn a_name_has_no_way_up(path in "/[%0-9a-fA-F./\\\\;]{0,30}", show_hidden: bool) {
        if let Ok((name, _)) = file_name(&path, show_hidden) {
            prop_assert!(!name.starts_with(b"/") && !name.contains(&0));
            if !name.is_empty() {
                for segment in name.split(|byte| *byte == b'/') {
                    prop_assert!(!matches!(segment, b"" | b"." | b".."));
                }
            }
        }
    }
}
