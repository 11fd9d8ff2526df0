//! No file makes reading panic, and every diagnostic can be shown.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use haechi_model::{Renderings, Source, Unchecked, read};
use proptest::prelude::*;

const GOOD: &[&str] = &[
    include_str!("golden/good-minimal.yaml"),
    include_str!("golden/good-fuller.yaml"),
    include_str!("golden/good-everything.yaml"),
];

const PIECES: &[&str] = &[
    "gateway:",
    "services:",
    "routes:",
    "listeners:",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "\n  - ",
    "\n",
    "\n    ",
    "name: ",
    "match: ",
    "path: ",
    "/**",
    "*",
    "${",
    "}",
    "${X:-1}",
    "&a ",
    "*a",
    "null",
    "~",
    "true",
    "-1",
    "5s",
    "9e99",
    "\"",
    "'",
    "#",
    "|",
    "!!str ",
    "127.0.0.1:1",
    "[::]:0",
    "expect: [",
    "GET http://a/ -> b",
    "é",
    "\u{2028}",
    "---\n",
    "\t",
    "%",
];

fn check(text: &str) {
    let folder = Path::new("/etc/haechi");
    let reading = read(&Source { text, folder, variable: &|_| None, files: &Unchecked });
    let renderings = Renderings { file: "haechi.yaml", text };
    let shown = renderings.text(&reading.diagnostics, false);
    assert!(reading.lowered.is_some() || !shown.is_empty(), "refused without a word: {text:?}");
    renderings.json(&reading.diagnostics);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn a_good_file_with_pieces_put_in_or_taken_out_does_not_panic(
        file in prop::sample::select(GOOD),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut text = file.to_owned();
        for (at, cut, piece) in changes {
            let boundary = |mut i: usize| {
                while !text.is_char_boundary(i) { i -= 1; }
                i
            };
            let start = boundary(at.index(text.len() + 1));
            let end = boundary((start + cut).min(text.len())).max(start);
            text.replace_range(start..end, piece);
        }
        check(&text);
    }

    #[test]
    fn pieces_put_together_do_not_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        check(&pieces.concat());
    }
}
