//! Reading again what changed gives the same as reading all.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use haechi_model::{Files, Reading, Source, Unchecked, read, reread};
use proptest::prelude::*;

fn source(text: &str) -> Source<'_> {
    Source { text, folder: Path::new("/etc/haechi"), variable: &|_| None, files: &Unchecked }
}

/// Reads `after` in both ways, holds them together and says how many routes were taken over.
fn both(before: &str, after: &str) -> Reading {
    let again = reread(Some((before, &read(&source(before)))), &source(after));
    let whole = read(&source(after));
    assert_eq!(again, whole, "\nbefore: {before}\nafter: {after}");
    assert!(again.taken_over == 0 || again.table.is_some());
    again
}

const HEAD: &str = "\
services:
  a: { endpoints: [127.0.0.1:1] }
  b: { endpoints: [127.0.0.1:2] }
gateway:
  listeners: [{ name: web, listen: 127.0.0.1:80 }]
  routes:
";

/// Routes in every style, and things that stand between them.
const ITEMS: &[&str] = &[
    "    - { name: a, match: { path: /a/** }, service: a }\n",
    "    - { name: b, match: { path: /b/** }, service: b }\n",
    "    - { name: b2, match: { path: /b2/** }, service: b } # a comment\n",
    "    - name: c\n      match: { path: /c }\n      service: a\n",
    "    - name: d\n      match:\n        path: /d/**\n        headers: { x: y }\n      service: b\n\n",
    "    - name: e\n      match: { path: /e }\n      respond:\n        status: 200\n        body: |+\n          two\n\n          lines\n\n\n",
    "    - name: f\n      match: { path: /f }\n      respond: { status: 200, body: \"a\n          quote\" }\n# far left\n",
    "    -   { name: g,\n          match: { path: /g }, service: a }\n",
    "    - { name: a, match: { path: /again }, service: a }\n",
    "    - { name: tie, match: { path: /a/** }, service: b }\n",
    "    - { name: bad, match: { path: /bad }, service: nobody }\n",
    "    - { nme: typo, match: { path: /typo }, service: a }\n",
    "    - &anchor { name: h, match: { path: /h }, service: a }\n",
    "    - { name: i, match: { path: /i }, service: \"a }\n",
    "    - { name: j, match: { path: /j }, respond: { status: 200, body: '*' } }\n",
    "    - { name: k, match: { path: \"/${K:-k}\" }, service: b }\n",
    "    - { name: l, match: { path: /l }, respond: { status: 200, body: |\n",
    "    -\n      name: m\n      match: { path: /m }\n      service: a\n",
    "  import: {}\n",
    "    # a comment alone\n",
    "\t\n",
];

const TAILS: &[&str] = &[
    "",
    "  limits: { headers: 50 }\n",
    "\n\n  limits: { headers: 50 }\n",
    "expect:\n  - GET http://h/a/1 -> a\n",
    "expect: [ \"GET http://h/c -> 404\" ]\n",
    "admin: { listen: 127.0.0.1:1 }\n...\n",
];

fn items() -> impl Strategy<Value = Vec<&'static str>> {
    // Mostly good ones: a file with a mistake is not built on.
    let item = prop_oneof![8 => prop::sample::select(&ITEMS[..8]), 1 => prop::sample::select(ITEMS)];
    prop::collection::vec(item, 1..8).prop_map(|mut items| {
        let mut seen = std::collections::HashSet::new();
        items.retain(|item| seen.insert(*item));
        items
    })
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(prop::sample::Index, &'static str),
    Remove(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Cut(prop::sample::Index, usize, &'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    let piece = prop::sample::select(
        &["", " ", "\n", "'", "\"", "#", "- ", "z", "b", "{", "\n    - ", "  ", "|"][..],
    );
    prop_oneof![
        3 => (index(), prop::sample::select(ITEMS)).prop_map(|(at, item)| Edit::Insert(at, item)),
        2 => index().prop_map(Edit::Remove),
        2 => (index(), index()).prop_map(|(a, b)| Edit::Swap(a, b)),
        3 => (index(), 0usize..4, piece).prop_map(|(at, cut, piece)| Edit::Cut(at, cut, piece)),
    ]
}

fn edited(items: &[&'static str], tail: &str, edits: &[Edit]) -> String {
    let mut items = items.to_vec();
    for edit in edits {
        match edit {
            Edit::Insert(at, item) => items.insert(at.index(items.len() + 1), item),
            Edit::Remove(at) if !items.is_empty() => drop(items.remove(at.index(items.len()))),
            Edit::Swap(a, b) if !items.is_empty() => {
                let count = items.len();
                items.swap(a.index(count), b.index(count));
            }
            _ => {}
        }
    }
    let mut text = format!("{HEAD}{}{tail}", items.concat());
    for edit in edits {
        if let Edit::Cut(at, cut, piece) = edit {
            let start = at.index(text.len() + 1);
            text.replace_range(start..(start + cut).min(text.len()), piece);
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_ways_give_the_same(
        items in items(),
        tail in prop::sample::select(TAILS),
        edits in prop::collection::vec(edit(), 1..3),
    ) {
        let before = format!("{HEAD}{}{tail}", items.concat());
        both(&before, &edited(&items, tail, &edits));
    }
}

#[test]
fn routes_that_did_not_change_are_taken_over() {
    let before = format!("{HEAD}{}", ITEMS[..8].concat());
    let changed = before.replace("path: /b/**", "path: /other/**");
    assert_eq!(both(&before, &changed).taken_over, 6, "all but the changed and the last");
    let removed = before.replace(ITEMS[3], "");
    assert_eq!(both(&before, &removed).taken_over, 6);
    let around = before.replace("127.0.0.1:80", "127.0.0.1:81");
    assert_eq!(both(&before, &around).taken_over, 0, "the text around is another");
}

#[test]
fn one_reading_again_follows_another() {
    let mut text = format!("{HEAD}{}", ITEMS[..8].concat());
    let mut reading = read(&source(&text));
    for turn in 0..20 {
        let next = text.replacen("path: /b", &format!("path: /b{turn}"), 1);
        let again = reread(Some((&text, &reading)), &source(&next));
        assert_eq!(again, read(&source(&next)));
        assert_eq!(again.taken_over, 6, "turn {turn}");
        (text, reading) = (next, again);
    }
}

#[test]
fn what_only_the_whole_can_tell_is_told() {
    let before = format!("{HEAD}{}", ITEMS[..5].concat());
    for (what, item) in [("a tie", ITEMS[9]), ("a name twice", ITEMS[8])] {
        let after = format!("{HEAD}{item}{}", ITEMS[..5].concat());
        assert_eq!(both(&before, &after).diagnostics.len(), 1, "{what}");
    }
    // Service b loses its routes.
    let alone = format!("{HEAD}{}{}", ITEMS[0], ITEMS[1]);
    let without = alone.replace(ITEMS[1], "    - { name: x, match: { path: /x }, service: a }\n");
    assert_eq!(both(&alone, &without).diagnostics.len(), 1);
    // An expectation that no longer holds.
    let expecting = format!("{before}expect: [ \"GET http://h/a/1 -> a\" ]\n");
    let moved = expecting.replace("path: /a/**", "path: /moved/**");
    assert_eq!(both(&expecting, &moved).diagnostics.len(), 1);
}

/// A machine whose one file changes.
struct Changing(std::cell::Cell<&'static str>);

impl Files for Changing {
    fn is_folder(&self, _: &Path) -> bool {
        true
    }

    fn read(&self, _: &Path) -> std::io::Result<String> {
        Ok(self.0.get().to_owned())
    }
}

#[test]
fn a_route_that_is_made_of_a_file_is_read_again_each_time() {
    let files = Changing(std::cell::Cell::new("one"));
    let made =
        "    - { name: made, match: { path: /made }, respond: { status: 200, body-file: page.txt } }\n";
    let mut text = format!("{HEAD}{made}{}", ITEMS[..5].concat());
    let mut reading = read(&Source { files: &files, ..source(&text) });
    for (turn, content) in ["two", "three", "four"].into_iter().enumerate() {
        files.0.set(content);
        let next = text.replacen("path: /b", &format!("path: /b{turn}"), 1);
        let now = Source { files: &files, ..source(&next) };
        let again = reread(Some((&text, &reading)), &now);
        assert_eq!(again, read(&now));
        assert_eq!(again.taken_over, 3, "neither the made nor the changed nor the last");
        (text, reading) = (next, again);
    }
}
